//! The load tester without the server: `cargo run --release -p bench --example bench --
//! bench --binary target/release/parlour`. The limit rows work without a server at all.

use clap::Parser;

#[derive(Parser)]
enum Cli {
    /// As `parlour bench`.
    Bench(bench::Args),
}

#[expect(
    clippy::print_stdout,
    reason = "the report is what this program is for"
)]
fn main() -> anyhow::Result<()> {
    let Cli::Bench(args) = Cli::parse();
    let as_json = args.json;
    let report = bench::run(args)?;
    println!("{}", report.render(as_json));
    if !report.is_clean() {
        std::process::exit(1);
    }
    Ok(())
}
