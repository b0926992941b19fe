//! The known word nearest to a mistyped one.
//!
//! Not a spell checker: it answers only when the distance is small enough that a person
//! would agree, because a wrong guess sends people to the wrong line of the manual.

/// The candidate nearest to `word`, if one is near enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_ascii_lowercase();
    let reach = (word.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_ascii_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edits from `a` to `b`: insert, delete, replace, or swap two neighbours.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (i, left) in a.chars().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, right) in b.iter().enumerate() {
            // Every index below is one that an earlier round of these loops has filled.
            let cost = usize::from(left != *right);
            let mut best = (above[j] + cost).min(above[j + 1] + 1).min(row[j] + 1);
            let swapped = j > 0 && last == Some(*right) && b[j - 1] == left;
            if swapped && let Some(two_above) = before.get(j - 1) {
                best = best.min(two_above + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
        last = Some(left);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn counts_edits_and_swaps() {
        assert_eq!(distance("listen", "listen"), 0);
        assert_eq!(distance("lisetn", "listen"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn guesses_only_what_a_person_would_agree_with() {
        let known = ["listen", "data_dir", "registration", "debug"];
        assert_eq!(nearest("lisen", known), Some("listen"));
        assert_eq!(nearest("LISTEN", known), Some("listen"));
        assert_eq!(nearest("registratoin", known), Some("registration"));
        assert_eq!(nearest("data-dir", known), Some("data_dir"));
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("", known), None);
    }
}
