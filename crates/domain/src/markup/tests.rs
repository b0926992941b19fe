use super::{compile, plain_line};
#[test]
fn smoke() {
    for s in [
        "hello",
        "**a** *b* ~~c~~ `d` @ada. https://a.example/x?y=1&z http://bücher.example www.x.org",
        "- [x] a\n- b\n\n1. c",
        "| a | b |\n|---|:-:|\n| 1 | 2 |",
        "> q\n\n```rust\nfn <x>\n```\n# H",
        "<b>x</b>\n\n<div>\nx @ada\n",
        "![a](https://x.y/z.png) [t](javascript:x) [![i](https://a.b/c)](https://d.e)",
        "[https://bank.example](https://evil.example)",
        "a@b.example me@x ftp://x.y/",
    ] {
        println!("{s:?}\n   {:?}\n   {}", compile(s), plain_line(s, 20));
    }
}
