//! Circles of modules: two or more files of a crate that need each other can only be understood together, so there must
//! be none.
//!
//! The nodes are the files of a crate. An arrow leads from a file to the file that defines an item which the first one
//! names, in a `use` or in a path: re-exports are followed to the definition, wherever they stand. No arrow are `mod x;`,
//! a re-export (it uses nothing itself), the import of a module (its items are what is used), and what only tests are
//! built with. Calls of methods name no file, so they are not seen.

mod graph;
mod uses;

use anyhow::{Result, bail};

use self::graph::{Arrow, Circle};
use super::modules::{Crate, PRODUCT_CRATES};

/// Crates that still have circles. One that has none any more must be taken off the list.
const WITH_CIRCLES: &[&str] = &[];

/// Crates whose modules still import from the root of their crate instead of from the module that defines the item. One
/// that does so no more must be taken off the list.
const WITH_ROOT_IMPORTS: &[&str] = &[];

/// Checks every product crate, and prints the circles of those that are excepted.
pub(super) fn check() -> Result<()> {
    let mut failures = String::new();
    for name in PRODUCT_CRATES {
        let findings = Findings::of(&Crate::of_product(name)?);
        let circles: String = findings.circles.iter().map(Circle::to_string).collect();
        let root_imports: String = findings
            .root_imports
            .iter()
            .map(|arrow| format!("{arrow}\n"))
            .collect();
        match (WITH_CIRCLES.contains(&name), circles.is_empty()) {
            (false, false) => failures += &circles,
            (true, true) => failures += &stale(name, "WITH_CIRCLES"),
            (true, false) => eprint!("{circles}"),
            (false, true) => {}
        }
        match (WITH_ROOT_IMPORTS.contains(&name), root_imports.is_empty()) {
            (false, false) => {
                failures += &format!("imports from the root of their own crate:\n{root_imports}")
            }
            (true, true) => failures += &stale(name, "WITH_ROOT_IMPORTS"),
            _ => {}
        }
        let (circles, root_imports) = (findings.circles.len(), findings.root_imports.len());
        if circles + root_imports > 0 {
            eprintln!("    {name}: {circles} circles, {root_imports} imports from its own root");
        }
    }
    if !failures.is_empty() {
        bail!("modules are not in order:\n{failures}");
    }
    Ok(())
}

fn stale(name: &str, list: &str) -> String {
    format!("{name} is free of them now; remove it from {list} in crates/xtask/src/gate/circles.rs\n")
}

/// What the module graph of a crate shows.
struct Findings {
    /// Each with the shortest way around.
    circles: Vec<Circle>,
    /// Uses of an item by its re-export at the root of the same crate.
    root_imports: Vec<Arrow>,
}

impl Findings {
    fn of(crate_: &Crate) -> Self {
        let arrows = uses::arrows(crate_);
        Findings {
            circles: graph::circles(&arrows),
            root_imports: arrows.into_iter().filter(|arrow| arrow.by_root).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
