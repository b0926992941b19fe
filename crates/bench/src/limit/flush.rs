//! What one flush of this disk takes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::stats::Latencies;

const PAGE_BYTES: usize = 4096;
const PAGES: usize = 1024;

/// Writes a page and flushes it, `rounds` times, in a file made in `folder`.
///
/// The file has its full length before, as a write-ahead log has in the long run: growing a
/// file makes the file system flush its own books too.
pub fn measure(folder: &Path, rounds: usize) -> Result<Latencies> {
    let path = folder.join("flush-probe");
    let file = File::create(&path).context("cannot write where the data is to be")?;
    let page = [0x5a; PAGE_BYTES];
    for at in 0..PAGES {
        file.write_all_at(&page, (at * PAGE_BYTES) as u64)?;
    }
    file.sync_all()?;
    let mut latencies = Latencies::default();
    for round in 0..rounds {
        let start = Instant::now();
        file.write_all_at(&page, (round % PAGES * PAGE_BYTES) as u64)?;
        file.sync_data()?;
        latencies.record(start.elapsed());
    }
    std::fs::remove_file(&path)?;
    Ok(latencies)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_flush_takes_some_time_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let mut latencies = super::measure(folder.path(), 3).unwrap();
        assert_eq!(latencies.len(), 3);
        assert!(latencies.percentile_ms(0.5) > 0.0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
