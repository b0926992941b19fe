//! Turns `css/`, `js/` and `img/` into embedded files.
//!
//! What third parties wrote (htmx, icons, the bundler) comes from npm by the lock file and
//! is never kept in the repository. Everything happens inside OUT_DIR, so a build writes
//! nothing into the sources. `PARLOUR_WEB_DIST=<folder>` skips npm and takes a folder that
//! an earlier build left in `OUT_DIR/dist`; packages and offline builds use it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Files of `dist`, and whether their address carries the hash of their content. A
/// file that names others as `asset:<name>` stands after them.
const FILES: &[(&str, &str, bool)] = &[
    ("icons.svg", "image/svg+xml", true),
    ("favicon.svg", "image/svg+xml", true),
    ("favicon-unread.svg", "image/svg+xml", true),
    ("app-icon.svg", "image/svg+xml", true),
    ("app.css", "text/css; charset=utf-8", true),
    ("theme.js", "text/javascript; charset=utf-8", true),
    ("app.js", "text/javascript; charset=utf-8", true),
    ("htmx.min.js", "text/javascript; charset=utf-8", true),
    ("hx-ws.min.js", "text/javascript; charset=utf-8", true),
    ("manifest.webmanifest", "application/manifest+json", true),
    ("licenses.txt", "text/plain; charset=utf-8", false),
];

fn main() {
    for path in [
        "build.rs",
        "package.json",
        "package-lock.json",
        ".npmrc",
        "icons.txt",
        "css",
        "js",
        "img",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rerun-if-env-changed=PARLOUR_WEB_DIST");

    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = match env::var_os("PARLOUR_WEB_DIST") {
        Some(folder) => {
            println!("cargo::rerun-if-changed={}", Path::new(&folder).display());
            PathBuf::from(folder)
        }
        None => build_dist(&out),
    };
    embed(&dist, &out);
}

/// Installs, bundles and gathers everything in `OUT_DIR/dist`.
fn build_dist(out: &Path) -> PathBuf {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    install(&here, out);
    let dist = out.join("dist");
    let _ = fs::remove_dir_all(&dist);
    create_dir(&dist);
    let modules = out.join("node_modules");
    bundle(
        &here.join("css/app.css"),
        &dist.join("app.css"),
        &modules,
        &[],
    );
    bundle(
        &here.join("js/app.js"),
        &dist.join("app.js"),
        &modules,
        &["--format=esm", "--target=es2022"],
    );
    // Loaded before the first paint, therefore no module.
    bundle(
        &here.join("js/theme.js"),
        &dist.join("theme.js"),
        &modules,
        &["--format=iife"],
    );
    // Their source maps are not served, so the line that names one would be a 404.
    for (from, name) in [
        ("htmx.org/dist/htmx.min.js", "htmx.min.js"),
        ("htmx.org/dist/ext/hx-ws.min.js", "hx-ws.min.js"),
    ] {
        let text = read(&modules.join(from));
        let code = text
            .lines()
            .filter(|line| !line.starts_with("//# sourceMappingURL"));
        write(&dist.join(name), &code.collect::<Vec<_>>().join("\n"));
    }
    write(&dist.join("icons.svg"), &sprite(&here, &modules));
    for name in [
        "favicon.svg",
        "favicon-unread.svg",
        "app-icon.svg",
        "manifest.webmanifest",
    ] {
        write(&dist.join(name), &read(&here.join("img").join(name)));
    }
    write(&dist.join("licenses.txt"), &licenses(&modules));
    dist
}

/// `npm ci` when the lock differs from the one installed last.
fn install(here: &Path, out: &Path) {
    let lock = read(&here.join("package-lock.json"));
    let installed = out.join("installed-lock.json");
    if fs::read_to_string(&installed).is_ok_and(|text| text == lock) {
        return;
    }
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        write(&out.join(name), &read(&here.join(name)));
    }
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let run = Command::new(npm)
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(out)
        .output();
    match run {
        Ok(done) if done.status.success() => write(&installed, &lock),
        Ok(done) => stop(&format!(
            "npm ci failed ({}): {}",
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        )),
        Err(_) => stop(
            "npm was not found: install Node.js 20 or newer with npm, or set \
             PARLOUR_WEB_DIST to a prebuilt folder",
        ),
    }
}

/// One entry point and all it imports, minified into one file.
fn bundle(entry: &Path, to: &Path, modules: &Path, options: &[&str]) {
    let run = Command::new("node")
        .arg(modules.join("esbuild/bin/esbuild"))
        .arg(entry)
        .args([
            "--bundle",
            "--minify",
            "--log-level=warning",
            "--legal-comments=none",
        ])
        .args(options)
        .arg(format!("--outfile={}", to.display()))
        .output();
    match run {
        Ok(done) if done.status.success() => {}
        Ok(done) => stop(&format!(
            "esbuild could not bundle {}:\n{}",
            entry.display(),
            String::from_utf8_lossy(&done.stderr).trim()
        )),
        Err(error) => stop(&format!(
            "node could not be started to run esbuild: {error}"
        )),
    }
}

/// The icons named in `icons.txt` as symbols of one file, to be used by `<use href>`.
fn sprite(here: &Path, modules: &Path) -> String {
    let mut sprite = String::from("<svg xmlns=\"http://www.w3.org/2000/svg\">");
    for name in icon_names(&read(&here.join("icons.txt"))) {
        let svg = read(&modules.join(format!("lucide-static/icons/{name}.svg")));
        let inner = svg
            .find("<svg")
            .and_then(|start| svg[start..].find('>').map(|end| start + end + 1))
            .and_then(|from| svg.rfind("</svg>").map(|to| &svg[from..to]));
        let Some(inner) = inner else {
            stop(&format!("icon {name} is no SVG: see icons.txt"));
        };
        let shapes: String = inner.lines().map(str::trim).collect();
        let _ = write!(
            sprite,
            "<symbol id=\"{name}\" viewBox=\"0 0 24 24\" fill=\"none\" \
             stroke=\"currentColor\" stroke-width=\"2\" stroke-linecap=\"round\" \
             stroke-linejoin=\"round\">{shapes}</symbol>"
        );
    }
    sprite + "</svg>"
}

fn icon_names(list: &str) -> impl Iterator<Item = &str> {
    list.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The licences of what is served to browsers.
fn licenses(modules: &Path) -> String {
    let mut text = String::from(
        "Parlour serves its own pages, styles and scripts under MIT OR Apache-2.0.\n\
         The parts below come from others.\n",
    );
    for package in ["htmx.org", "lucide-static"] {
        let license = read(&modules.join(package).join("LICENSE"));
        let _ = write!(text, "\n---- {package} ----\n\n{}\n", license.trim());
    }
    text
}

/// Hashes, compresses and writes the Rust tables that `lib.rs` includes.
fn embed(dist: &Path, out: &Path) {
    let packed = out.join("packed");
    let _ = fs::remove_dir_all(&packed);
    create_dir(&packed);
    let mut urls: Vec<(&str, String)> = Vec::new();
    let mut assets = String::from("pub(crate) static ASSETS: &[Asset] = &[\n");
    for &(name, content_type, hashed) in FILES {
        let mut text = read(&dist.join(name));
        // What names other assets is written with their hashed addresses; FILES lists
        // them before their users.
        for (other, url) in &urls {
            text = text.replace(&format!("asset:{other}"), url);
        }
        let hash = fnv1a(text.as_bytes());
        let (stem, extension) = name.split_once('.').unwrap_or((name, ""));
        let url = if hashed {
            format!("/assets/{stem}-{hash:016x}.{extension}")
        } else {
            format!("/assets/{name}")
        };
        let plain = packed.join(name);
        write(&plain, &text);
        let brotli = pack(&plain, "br", &brotli(text.as_bytes()));
        let gzip = pack(&plain, "gz", &gzip(text.as_bytes()));
        let _ = writeln!(
            assets,
            "Asset {{ name: {name:?}, path: {url:?}, content_type: {content_type:?}, \
             etag: \"\\\"{hash:016x}\\\"\", immutable: {hashed}, \
             plain: include_bytes!({plain:?}), brotli: include_bytes!({brotli:?}), \
             gzip: include_bytes!({gzip:?}) }},"
        );
        urls.push((name, url));
    }
    assets.push_str("];\n");
    let sprite = urls
        .iter()
        .find(|(name, _)| *name == "icons.svg")
        .map_or("", |(_, url)| url);
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    assets.push_str("pub(crate) static ICONS: &[(&str, &str)] = &[\n");
    for icon in icon_names(&read(&here.join("icons.txt"))) {
        let html = format!(
            "<svg class=\"icon\" aria-hidden=\"true\"><use href=\"{sprite}#{icon}\"/></svg>"
        );
        let _ = writeln!(assets, "({icon:?}, {html:?}),");
    }
    assets.push_str("];\n");
    write(&out.join("table.rs"), &assets);
}

fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    let params = brotli::enc::BrotliEncoderParams {
        quality: 11,
        ..Default::default()
    };
    if let Err(error) = brotli::BrotliCompress(&mut &bytes[..], &mut packed, &params) {
        stop(&format!("brotli failed: {error}"));
    }
    packed
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    match encoder.write_all(bytes).and_then(|()| encoder.finish()) {
        Ok(packed) => packed,
        Err(error) => stop(&format!("gzip failed: {error}")),
    }
}

fn pack(plain: &Path, extension: &str, bytes: &[u8]) -> PathBuf {
    let path = PathBuf::from(format!("{}.{extension}", plain.display()));
    if let Err(error) = fs::write(&path, bytes) {
        stop(&format!("cannot write {}: {error}", path.display()));
    }
    path
}

/// FNV-1a, 64 bits: names a content so that caches notice a change; guards nothing.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn create_dir(path: &Path) {
    if let Err(error) = fs::create_dir_all(path) {
        stop(&format!("cannot make {}: {error}", path.display()));
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path)
        .unwrap_or_else(|error| stop(&format!("cannot read {}: {error}", path.display())))
}

fn write(path: &Path, text: &str) {
    if let Err(error) = fs::write(path, text) {
        stop(&format!("cannot write {}: {error}", path.display()));
    }
}

/// Ends the build with one line that says the way out.
fn stop(message: &str) -> ! {
    println!("cargo::error={}", message.replace('\n', " | "));
    std::process::exit(1)
}
