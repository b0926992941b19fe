//! Pages of a list.

use serde::{Deserialize, Serialize};

/// One page of a list. `next` is passed back as `cursor` for the page after it, and is
/// null on the last one. Its text means nothing to a client and may change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The page's items.
    pub items: Vec<T>,
    /// Where the next page begins; null when there is none.
    pub next: Option<String>,
}
