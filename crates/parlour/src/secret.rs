//! The house's key: brought by the operator, or made at first start and kept in a file.
//!
//! Not for passwords or tokens; those are `chat`'s. What a newcomer would get wrong: two
//! servers may start at the same moment, so the file appears with all its bytes or not at
//! all, and whoever comes second reads what the first has made.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use tracing::{info, warn};

/// Name of the file in the data folder.
pub const FILE: &str = "secret";
/// Random bytes of a key that is made here.
const KEY_BYTES: usize = 32;
/// A key file is one line; more is something else put there by mistake.
const MAX_FILE_BYTES: u64 = 4096;

/// Bytes that no log, message or panic shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The bytes of a text.
    pub fn of_text(text: &str) -> Secret {
        Secret(text.as_bytes().to_vec())
    }

    /// The bytes, for the one place that keys something with them.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The key kept in `data_dir`, made now if there is none.
///
/// # Errors
/// When the folder cannot be written, or the file holds no key.
pub fn load_or_make(data_dir: &Path) -> anyhow::Result<Secret> {
    let path = data_dir.join(FILE);
    if let Some(secret) = load(&path)? {
        return Ok(secret);
    }
    make(data_dir, &path)?;
    match load(&path)? {
        Some(secret) => Ok(secret),
        None => bail!("{} vanished while it was made; start again", path.display()),
    }
}

fn load(path: &Path) -> anyhow::Result<Option<Secret>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", path.display()));
        }
    };
    let metadata = file
        .metadata()
        .with_context(|| format!("cannot read {}", path.display()))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE_BYTES {
        bail!("{} is no key file; move it away", path.display());
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        warn!(
            "{path} can be read by others (mode {mode:o}); run: chmod 600 {path}",
            path = path.display()
        );
    }
    let mut text = String::new();
    if file.read_to_string(&mut text).is_err() || text.trim().len() < 16 {
        bail!(
            "{} holds no key; restore it, or delete it: everyone is then signed out, nothing \
             else is lost",
            path.display()
        );
    }
    Ok(Some(Secret::of_text(text.trim())))
}

fn make(data_dir: &Path, path: &Path) -> anyhow::Result<()> {
    let mut bytes = [0_u8; KEY_BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    let mut text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    text.push('\n');
    // A name of its own for each attempt, so that nobody finishes another's draft.
    let mut name = [0_u8; 8];
    getrandom::fill(&mut name).context("the system gives no random bytes")?;
    let draft = data_dir.join(format!(".{FILE}.{:016x}", u64::from_ne_bytes(name)));
    let outcome = write_private(&draft, text.as_bytes()).and_then(|()| {
        // A link refuses to replace: the first of two servers wins, the second reads.
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() != ErrorKind::StorageFull => {
                // Some file systems have no links (FAT, some network shares); there a
                // rename at least never shows half a key.
                if path.exists() {
                    Ok(())
                } else {
                    std::fs::rename(&draft, path)
                }
            }
            other => other,
        }
    });
    let _ = std::fs::remove_file(&draft);
    outcome.with_context(|| format!("cannot make {}", path.display()))?;
    File::open(data_dir)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot flush {}", data_dir.display()))?;
    info!("made the house's key in {}", path.display());
    Ok(())
}

fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;

    use super::{FILE, load_or_make};

    #[test]
    fn a_key_is_made_once_private_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path()).unwrap();
        assert_eq!(first.bytes().len(), 64);
        assert!(first == load_or_make(folder.path()).unwrap());
        let mode = folder
            .path()
            .join(FILE)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "a draft stayed: {names:?}");
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        assert!(first != load_or_make(folder.path()).unwrap());
    }

    #[test]
    fn all_who_start_at_once_get_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(8);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let spawned: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        barrier.wait();
                        load_or_make(folder.path()).unwrap()
                    })
                })
                .collect();
            spawned
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        let kept = load_or_make(folder.path()).unwrap();
        assert!(keys.iter().all(|key| *key == kept));
    }

    #[test]
    fn what_is_no_key_is_refused_with_a_way_out() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), "\n").unwrap();
        let error = load_or_make(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("holds no key") && error.contains("delete it"),
            "{error}"
        );
        std::fs::remove_file(folder.path().join(FILE)).unwrap();
        std::fs::create_dir(folder.path().join(FILE)).unwrap();
        assert!(
            load_or_make(folder.path())
                .unwrap_err()
                .to_string()
                .contains("no key file")
        );
    }

    #[test]
    fn a_secret_never_shows_itself() {
        let folder = tempfile::tempdir().unwrap();
        let secret = load_or_make(folder.path()).unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(hidden)");
    }
}
