//! One server per data folder.
//!
//! The lock belongs to the process and not to the file: it ends with the process, also by
//! SIGKILL, so a `parlour.lock` left behind means nothing. Commands such as
//! `createsuperuser` do not take it; they work beside a running server.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The locks of a serving process; dropping it lets go.
#[derive(Debug)]
pub struct Lock {
    _files: Vec<File>,
}

/// Takes the data folder and the database file for this process.
///
/// # Errors
/// When another server has one of them, with its process id.
pub fn take(data_dir: &Path, database: &Path) -> anyhow::Result<Lock> {
    let mut files = vec![take_one(&data_dir.join("parlour.lock"), data_dir)?];
    if database.parent() != Some(data_dir) {
        // Two data folders could name the same database.
        let mut beside = database.as_os_str().to_owned();
        beside.push(".lock");
        files.push(take_one(&PathBuf::from(beside), database)?);
    }
    Ok(Lock { _files: files })
}

fn take_one(path: &Path, what: &Path) -> anyhow::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            let holder = holder.trim();
            let who = if !holder.is_empty() && holder.bytes().all(|byte| byte.is_ascii_digit()) {
                format!("process {holder}")
            } else {
                "another process".to_owned()
            };
            bail!(
                "{} is in use by a running server ({who}); stop it, or give this one a folder of \
                 its own with --data",
                what.display()
            );
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::take;

    #[test]
    fn a_folder_serves_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("parlour.sqlite3");
        let first = take(folder.path(), &database).unwrap();
        let refusal = take(folder.path(), &database).unwrap_err().to_string();
        assert!(
            refusal.contains(&format!("process {}", std::process::id())),
            "{refusal}"
        );
        assert!(refusal.contains("--data"), "{refusal}");
        drop(first);
        take(folder.path(), &database).unwrap();
    }

    #[test]
    fn a_database_serves_one_at_a_time_whatever_the_folder() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let database = one.path().join("shared.sqlite3");
        let _first = take(two.path(), &database).unwrap();
        let three = tempfile::tempdir().unwrap();
        let refusal = take(three.path(), &database).unwrap_err().to_string();
        assert!(refusal.contains("shared.sqlite3"), "{refusal}");
    }
}
