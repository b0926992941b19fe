//! Who lives in the house and what they say to each other, made up from a seed.
//!
//! Pure: no store, no clock. Conversations are runs of a few people in one room; most people
//! say little and a few say much, and so it is with rooms, because that is what makes
//! indexes, unread counts and screens behave as they will in earnest.

use std::collections::HashSet;

use domain::Username;

use super::chance::Chance;
use super::words::{
    ANSWERS, FAMILY, GIVEN, MANNERS, OPENERS, PLACES, RICH, ROOMS, SHORT, THINGS, TIMES,
};

/// A made-up person.
#[derive(Clone, Debug)]
pub(super) struct Person {
    pub(super) username: Username,
    pub(super) display_name: String,
    given: &'static str,
}

/// A made-up room.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) name: String,
    pub(super) topic: String,
}

/// Something said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Which person.
    pub(super) author: usize,
    /// Which room; 0 is the lobby.
    pub(super) room: usize,
    /// What.
    pub(super) source: String,
    /// It answers the line so many before it.
    pub(super) answers: Option<usize>,
    /// What it said before it was edited.
    pub(super) before_edit: Option<String>,
    /// Which person it mentions.
    pub(super) mentions: Option<usize>,
}

/// So many people with different names.
pub(super) fn people(count: usize, seed: u64) -> Vec<Person> {
    let mut chance = Chance::new(seed ^ 0x7065_6f70_6c65);
    let mut taken = HashSet::new();
    let mut people: Vec<Person> = Vec::with_capacity(count);
    let mut round = 0_usize;
    while people.len() < count {
        let given = GIVEN.get(round % GIVEN.len()).copied().unwrap_or("Ada");
        let family = chance.pick(FAMILY);
        // The first of a name is just that; later ones need more to be told apart.
        let name = match round / GIVEN.len() {
            0 => given.to_lowercase(),
            1 => format!("{}.{}", given.to_lowercase(), ascii(family)),
            turn => format!("{}{}", given.to_lowercase(), turn * 10 + chance.below(10)),
        };
        round += 1;
        let Ok(username) = Username::parse(&name) else {
            continue;
        };
        if taken.insert(username.skeleton().to_owned()) {
            people.push(Person {
                username,
                display_name: format!("{given} {family}"),
                given,
            });
        }
    }
    people
}

fn ascii(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter(char::is_ascii_lowercase)
        .collect()
}

/// So many rooms besides the lobby.
pub(super) fn places(count: usize) -> Vec<Place> {
    (0..count)
        .map(|index| {
            let (name, topic) = ROOMS
                .get(index % ROOMS.len())
                .copied()
                .unwrap_or(("Room", ""));
            let name = match index / ROOMS.len() {
                0 => name.to_owned(),
                turn => format!("{name} {}", turn + 1),
            };
            Place {
                name,
                topic: topic.to_owned(),
            }
        })
        .collect()
}

/// An endless conversation of `people` in `rooms` rooms, the lobby included.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    people: &'a [Person],
    rooms: usize,
    chance: Chance,
    room: usize,
    circle: Vec<usize>,
    left: usize,
    spoken: usize,
    last: usize,
}

impl<'a> Talk<'a> {
    pub(super) fn new(people: &'a [Person], rooms: usize, seed: u64) -> Self {
        Self {
            people,
            rooms,
            chance: Chance::new(seed),
            room: 0,
            circle: Vec::new(),
            left: 0,
            spoken: 0,
            last: 0,
        }
    }

    fn begin(&mut self) {
        // The smaller of two draws: early rooms and people are the busy ones.
        self.room = self
            .chance
            .below(self.rooms)
            .min(self.chance.below(self.rooms));
        self.left = 2 + self.chance.below(12);
        self.spoken = 0;
        let size = 2 + self.chance.below(4);
        self.circle.clear();
        for _ in 0..size {
            let count = self.people.len();
            let person = self.chance.below(count).min(self.chance.below(count));
            if !self.circle.contains(&person) {
                self.circle.push(person);
            }
        }
    }

    fn author(&mut self) -> usize {
        let mut author = self
            .circle
            .get(self.chance.below(self.circle.len()))
            .copied();
        if author == Some(self.last) && self.chance.percent(70) {
            // Mostly somebody else answers; sometimes one goes on.
            author = self
                .circle
                .iter()
                .copied()
                .find(|person| *person != self.last)
                .or(author);
        }
        author.unwrap_or(0)
    }

    fn source(&mut self) -> (String, Option<usize>) {
        let kind = self.chance.below(100);
        let (template, may_go_on) = match kind {
            _ if self.spoken == 0 => (self.chance.pick(OPENERS), true),
            0..12 => (self.chance.pick(RICH), false),
            12..32 => (self.chance.pick(SHORT), false),
            _ => (self.chance.pick(ANSWERS), true),
        };
        let (mut text, mut mentioned) = self.filled(template);
        if may_go_on && self.chance.percent(40) {
            let template = self.chance.pick(ANSWERS);
            let (more, mentioned_too) = self.filled(template);
            text = format!("{text} {more}");
            mentioned = mentioned.or(mentioned_too);
        }
        (text, mentioned)
    }

    /// A template with words in its slots, and whom it mentions.
    fn filled(&mut self, template: &'static str) -> (String, Option<usize>) {
        let mut mentioned = None;
        let mut text = String::with_capacity(template.len() + 32);
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let Some((slot, after)) = behind.split_once('}') else {
                break;
            };
            let word = match slot {
                "thing" => self.chance.pick(THINGS),
                "time" => self.chance.pick(TIMES),
                "place" => self.chance.pick(PLACES),
                "manner" => self.chance.pick(MANNERS),
                "name" => {
                    let index = self.chance.below(self.people.len());
                    let person = self.people.get(index);
                    if before.ends_with('@') {
                        mentioned = Some(index);
                        person.map_or("", |person| person.username.as_str())
                    } else {
                        person.map_or("", |person| person.given)
                    }
                }
                // Braces of code are no slots.
                _ => {
                    text.push_str(before);
                    text.push('{');
                    rest = behind;
                    continue;
                }
            };
            text.push_str(before);
            text.push_str(word);
            rest = after;
        }
        text.push_str(rest);
        (capitalised(text), mentioned)
    }
}

impl Iterator for Talk<'_> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        if self.left == 0 {
            self.begin();
        }
        self.left -= 1;
        let author = self.author();
        let (source, mentions) = self.source();
        let can_answer = self.spoken > 0;
        let answers = (can_answer && self.chance.percent(15))
            .then(|| 1 + self.chance.below(self.spoken.min(6)));
        let before_edit = self.chance.percent(4).then(|| misspelt(&source));
        self.last = author;
        self.spoken += 1;
        Some(Line {
            author,
            room: self.room,
            source,
            answers,
            before_edit,
            mentions,
        })
    }
}

fn capitalised(text: String) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if first.is_ascii_lowercase() && text.starts_with("the ") => {
            first.to_ascii_uppercase().to_string() + chars.as_str()
        }
        _ => text,
    }
}

/// What was typed at first: a letter is missing.
fn misspelt(text: &str) -> String {
    let middle = text.chars().count() / 2;
    let cut: String = text
        .chars()
        .enumerate()
        .filter(|(at, _)| *at != middle)
        .map(|(_, c)| c)
        .collect();
    if cut.trim().is_empty() {
        format!("{text}?")
    } else {
        cut
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use domain::messages::normalize_source;

    use super::{Line, Talk, people, places};

    #[test]
    fn people_have_valid_names_of_their_own() {
        let crowd = people(500, 1);
        assert_eq!(crowd.len(), 500);
        let names: HashSet<_> = crowd
            .iter()
            .map(|person| person.username.skeleton())
            .collect();
        assert_eq!(names.len(), 500);
        assert!(
            crowd
                .iter()
                .all(|person| domain::DisplayName::parse(&person.display_name).is_ok())
        );
    }

    #[test]
    fn rooms_have_valid_names() {
        for place in places(60) {
            domain::RoomName::parse(&place.name).unwrap();
            domain::Topic::parse(&place.topic).unwrap();
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_talk_and_another_another() {
        let crowd = people(15, 1);
        let talk = |seed| -> Vec<Line> { Talk::new(&crowd, 4, seed).take(300).collect() };
        assert_eq!(talk(1), talk(1));
        assert_ne!(talk(1), talk(2));
    }

    #[test]
    fn lines_can_be_stored_and_are_varied() {
        let crowd = people(15, 1);
        let lines: Vec<Line> = Talk::new(&crowd, 4, 1).take(3000).collect();
        for (index, line) in lines.iter().enumerate() {
            assert_eq!(
                normalize_source(&line.source, 1000).as_ref(),
                Ok(&line.source)
            );
            assert!(!line.source.contains("{thing}") && !line.source.contains("{name}"));
            assert!(line.author < 15 && line.room < 4);
            if let Some(back) = line.answers {
                assert_eq!(
                    lines[index - back].room,
                    line.room,
                    "a reply leaves its room"
                );
            }
            if let Some(before) = &line.before_edit {
                assert_ne!(before, &line.source);
                assert!(normalize_source(before, 1000).is_ok());
            }
        }
        let different: HashSet<_> = lines.iter().map(|line| &line.source).collect();
        assert!(different.len() > 1000, "{}", different.len());
        assert!(lines.iter().any(|line| line.answers.is_some()));
        assert!(lines.iter().any(|line| line.before_edit.is_some()));
        assert!(lines.iter().any(|line| line.mentions.is_some()));
        let rooms: HashSet<_> = lines.iter().map(|line| line.room).collect();
        assert_eq!(rooms.len(), 4);
    }
}
