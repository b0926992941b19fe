//! What a browser makes of HTML: the elements and attributes in it, so that a story can say
//! which may be there. A tokenizer for what our templates and the markup write; whatever it
//! cannot read, it reports as an element named `?`.

/// One start tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its name in lower case.
    pub name: String,
    /// Its attributes, names in lower case, values unescaped.
    pub attributes: Vec<(String, String)>,
}

impl Element {
    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(present, _)| present == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Every start tag of a piece of HTML.
pub fn elements(html: &str) -> Vec<Element> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end + 3..]);
            continue;
        }
        let begins_tag = rest.starts_with(|c: char| c.is_ascii_alphabetic());
        if !begins_tag {
            if !rest.starts_with(['/', '!']) {
                found.push(Element {
                    name: "?".into(),
                    attributes: Vec::new(),
                });
            }
            continue;
        }
        let (element, after) = start_tag(rest);
        found.push(element);
        rest = after;
    }
    found
}

fn start_tag(text: &str) -> (Element, &str) {
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>' || c == '/')
        .unwrap_or(text.len());
    let name = text[..end].to_ascii_lowercase();
    let mut rest = &text[end..];
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (
                Element { name, attributes },
                rest.strip_prefix('>').unwrap_or(""),
            );
        }
        let end = rest
            .find(|c: char| c.is_whitespace() || matches!(c, '=' | '>' | '/'))
            .unwrap_or(rest.len());
        let attribute = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
            let (from, until): (&str, &[char]) = match quote {
                Some('"') => (&after[1..], &['"']),
                Some(_) => (&after[1..], &['\'']),
                None => (after, &[' ', '\n', '\t', '>']),
            };
            let end = from.find(until).unwrap_or(from.len());
            value = &from[..end];
            rest = &from[end..];
            if quote.is_some() {
                rest = rest.get(1..).unwrap_or("");
            }
        } else if end == 0 {
            // A stray character that is no name: leave it behind.
            let skip = rest.chars().next().map_or(0, char::len_utf8);
            rest = &rest[skip..];
            continue;
        }
        attributes.push((attribute, unescape(value)));
    }
}

/// Text with its entities read.
pub fn unescape(text: &str) -> String {
    let mut read = text.to_owned();
    for (entity, c) in [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ] {
        read = read.replace(entity, c);
    }
    read
}

/// The HTML between an element's start tag, found by a piece of it, and the end tag given.
pub fn inside<'a>(html: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let from = html.find(start)?;
    let from = from + html[from..].find('>')? + 1;
    let length = html[from..].find(end)?;
    Some(&html[from..from + length])
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn start_tags_and_attributes_are_found() {
        let found = elements(
            "<p class=a>1 &lt; 2<!-- <b> --><a HREF='x y' data-z=\"&quot;\" disabled>t</a><br/>",
        );
        let names: Vec<&str> = found.iter().map(|element| element.name.as_str()).collect();
        assert_eq!(names, ["p", "a", "br"]);
        assert_eq!(found[1].attribute("href"), Some("x y"));
        assert_eq!(found[1].attribute("data-z"), Some("\""));
        assert_eq!(found[1].attribute("disabled"), Some(""));
    }
}
