use super::{Crate, Findings};

fn findings(files: &[(&str, &str)]) -> Findings {
    let read = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| Ok((*text).to_owned()))
    };
    Findings::of(&Crate::read("src/lib.rs", &|path| read(path.trim_start_matches("src/"))).unwrap())
}

fn circles(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let circles = findings(files).circles;
    circles.into_iter().map(|circle| circle.files).collect()
}

const ROOT: (&str, &str) = ("lib.rs", "mod a;\nmod b;\npub use b::B;\n");

#[test]
fn reports_a_planted_circle_with_its_lines() {
    let files = [
        ROOT,
        ("a.rs", "use crate::B;\npub struct A(B);\n"),
        ("b.rs", "pub struct B;\n\nfn f(_: crate::a::A) {}\n"),
    ];
    let findings = findings(&files);
    let expected = "    2 files use each other; the shortest way around:\n      \
                    src/a.rs:1: crate::B (defined in src/b.rs, by the crate's root)\n      \
                    src/b.rs:3: crate::a::A (defined in src/a.rs)\n";
    assert_eq!(findings.circles[0].to_string(), expected);
    assert_eq!(findings.root_imports.len(), 1);
}

#[test]
fn one_direction_is_no_circle() {
    let files = [
        ROOT,
        ("a.rs", "use crate::b::B;\npub struct A(B);\n"),
        (
            "b.rs",
            "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }\n#[cfg(test)]\nuse crate::a::A;\n",
        ),
    ];
    assert!(circles(&files).is_empty());
}

#[test]
fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
    let child = ("a/c.rs", "use super::A;\npub struct C(A);\n");
    let uses = "mod c;\nuse self::c::C;\npub struct A(Box<C>);\n";
    assert_eq!(
        circles(&[ROOT, ("a.rs", uses), child, ("b.rs", "pub struct B;")]),
        [["src/a.rs", "src/a/c.rs"]]
    );
    let declares = "mod c;\npub use self::c::C;\npub struct A;\n";
    assert!(circles(&[ROOT, ("a.rs", declares), child, ("b.rs", "pub struct B;")]).is_empty());
}

#[test]
fn sees_paths_in_code_macros_and_attributes() {
    for user in [
        "fn f() { crate::a::g(); }",
        "use crate::a;\nfn f() { a::g(); }",
        "use super::a as other;\nfn f() { vec![other::g()]; }",
        "use crate::a::*;\nfn f() { g(); }",
        "struct S { #[serde(with = \"crate::a::text\")] s: u8 }",
        "macro_rules! m { () => { $crate::a::g() } }",
        "impl From<crate::a::A> for B {}",
    ] {
        let user = format!("pub struct B;\n{user}\n");
        let files = [ROOT, ("a.rs", "pub fn g() -> crate::b::B {}"), ("b.rs", &user)];
        assert_eq!(circles(&files).len(), 1, "{user}");
    }
    for user in [
        "use crate::a;",
        "use std::fmt;",
        "fn f(g: u8) { g; }",
        "mod inner { use super::B; }",
    ] {
        let user = format!("pub struct B;\n{user}\n");
        let files = [ROOT, ("a.rs", "pub fn g() -> crate::b::B {}"), ("b.rs", &user)];
        assert!(circles(&files).is_empty(), "{user}");
    }
}

#[test]
fn the_shortest_way_around_a_large_circle_is_reported() {
    let root = ("lib.rs", "mod a;\nmod b;\nmod c;\n");
    let files = [
        root,
        ("a.rs", "use crate::b::B;\npub struct A;\n"),
        ("b.rs", "use crate::c::C;\npub struct B;\n"),
        ("c.rs", "use crate::a::A;\nuse crate::b::B;\npub struct C;\n"),
    ];
    let circles = findings(&files).circles;
    assert_eq!(circles.len(), 1);
    assert_eq!(circles[0].files.len(), 3);
    assert_eq!(circles[0].shortest.len(), 2);
}
