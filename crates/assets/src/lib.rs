//! Style, scripts, icons and pictures, bundled by `build.rs` and embedded in the binary.
//!
//! `css/` has one file per component, `js/` the page's ES modules, `img/` our own pictures;
//! htmx and the icons come from npm by the lock file. Nothing here knows HTTP: `web` serves
//! [`find`]'s answer and picks the encoding. A newcomer would write `/assets/app.css` into
//! a template; that address does not exist, since addresses carry the hash of the content
//! so that browsers may keep a file for ever. Ask [`url`].

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// One embedded file with its compressed forms, made when the binary was built.
#[derive(Debug)]
pub struct Asset {
    /// What sources call it, e.g. `app.css`.
    pub name: &'static str,
    /// Where it is served, e.g. `/assets/app-0123456789abcdef.css`.
    pub path: &'static str,
    /// For `Content-Type`.
    pub content_type: &'static str,
    /// Strong validator, quotes included. Compressed answers may share it only with
    /// `Vary: Accept-Encoding`.
    pub etag: &'static str,
    /// Whether the address changes with the content: cache it for ever.
    pub immutable: bool,
    /// The content.
    pub plain: &'static [u8],
    /// The content for `Content-Encoding: br`.
    pub brotli: &'static [u8],
    /// The content for `Content-Encoding: gzip`.
    pub gzip: &'static [u8],
}

/// The file served at `path`, which begins with `/assets/`.
#[must_use]
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// Every embedded file.
#[must_use]
pub fn all() -> &'static [Asset] {
    ASSETS
}

/// Where the file called `name` is served.
///
/// An unknown name gives an address that is 404: a test in `web` reads all templates, so
/// this cannot reach a release.
#[must_use]
pub fn url(name: &str) -> &'static str {
    ASSETS
        .iter()
        .find(|asset| asset.name == name)
        .map_or("/assets/unknown", |asset| asset.path)
}

/// The outline icon called `name` (see `icons.txt`) as an `<svg>` element of class `icon`,
/// hidden from screen readers: the button around it carries the words.
///
/// `None` when the sprite lacks it.
#[must_use]
pub fn icon(name: &str) -> Option<&'static str> {
    ICONS
        .iter()
        .find(|(icon, _)| *icon == name)
        .map(|(_, html)| *html)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::{all, find, icon, url};

    #[test]
    fn every_file_is_found_at_its_address_and_unpacks_to_itself() {
        for asset in all() {
            assert!(std::ptr::eq(find(asset.path).unwrap(), asset));
            assert_eq!(url(asset.name), asset.path);
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(asset.gzip)
                .read_to_end(&mut plain)
                .unwrap();
            assert_eq!(plain, asset.plain, "{}", asset.name);
            plain.clear();
            brotli::BrotliDecompress(&mut &asset.brotli[..], &mut plain).unwrap();
            assert_eq!(plain, asset.plain, "{}", asset.name);
        }
        assert!(find("/assets/app.css").is_none());
        assert!(find("/assets/../Cargo.toml").is_none());
    }

    #[test]
    fn style_and_script_of_the_first_page_stay_small() {
        let size: usize = all()
            .iter()
            .filter(|asset| asset.name.ends_with(".css") || asset.name.ends_with(".js"))
            .map(|asset| asset.brotli.len())
            .sum();
        // The promise is 60 KB; the aim is 30.
        assert!(size <= 60_000, "{size} bytes");
    }

    #[test]
    fn no_asset_names_another_host_or_an_unwritten_address() {
        for asset in all().iter().filter(|asset| asset.name != "licenses.txt") {
            let text = std::str::from_utf8(asset.plain).unwrap();
            assert!(!text.contains("asset:"), "{}", asset.name);
            assert!(!text.contains("sourceMappingURL"), "{}", asset.name);
            if asset.name.ends_with(".css") {
                assert!(!text.contains("url(http"), "{}", asset.name);
            }
        }
    }

    #[test]
    fn icons_come_from_the_sprite() {
        let send = icon("send").unwrap();
        assert!(send.contains(url("icons.svg")) && send.contains("#send"));
        assert_eq!(icon("no-such-icon"), None);
        let sprite = std::str::from_utf8(find(url("icons.svg")).unwrap().plain).unwrap();
        assert!(sprite.contains("<symbol id=\"send\""));
    }
}
