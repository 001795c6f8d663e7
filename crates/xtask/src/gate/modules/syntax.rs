//! What the check needs to know about Rust's syntax: which items tests alone are built with, and what a `use` imports.

use proc_macro2::{Ident, Span};
use syn::{Attribute, ImplItem, Item, Meta, Token, TraitItem, UseTree, punctuated::Punctuated};

/// Whether a build of the product leaves the item out, by its `#[cfg]`.
pub(in crate::gate) fn is_left_out(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Meta>()
                .is_ok_and(|condition| !holds(&condition))
    })
}

/// Whether a condition of `#[cfg]` can hold without tests and without features.
fn holds(condition: &Meta) -> bool {
    let name = condition.path();
    let operands = || -> Vec<Meta> {
        let list = condition.require_list().ok();
        let operands = list.and_then(|list| {
            list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .ok()
        });
        operands.into_iter().flatten().collect()
    };
    if name.is_ident("not") {
        // What is unknown may hold or not, and so may its negation.
        !operands()
            .iter()
            .all(|operand| is_known(operand) && holds(operand))
    } else if name.is_ident("all") {
        operands().iter().all(holds)
    } else if name.is_ident("any") {
        operands().iter().any(holds)
    } else {
        !(name.is_ident("test") || name.is_ident("feature") || name.is_ident("fuzzing"))
    }
}

fn is_known(condition: &Meta) -> bool {
    ["test", "feature", "fuzzing"]
        .iter()
        .any(|name| condition.path().is_ident(name))
}

pub(in crate::gate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::ForeignMod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::TraitAlias(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

pub(in crate::gate) fn impl_attributes(item: &ImplItem) -> &[Attribute] {
    match item {
        ImplItem::Const(item) => &item.attrs,
        ImplItem::Fn(item) => &item.attrs,
        ImplItem::Type(item) => &item.attrs,
        ImplItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

pub(in crate::gate) fn trait_attributes(item: &TraitItem) -> &[Attribute] {
    match item {
        TraitItem::Const(item) => &item.attrs,
        TraitItem::Fn(item) => &item.attrs,
        TraitItem::Type(item) => &item.attrs,
        TraitItem::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// The name that an item defines in its module; not that of a module or an import.
pub(in crate::gate) fn defined(item: &Item) -> Option<String> {
    let name = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(name.to_string())
}

/// One name of a `use`.
pub(in crate::gate) struct Import {
    pub(in crate::gate) path: Vec<String>,
    /// The name in this module; none of a glob.
    pub(in crate::gate) name: Option<String>,
    pub(in crate::gate) span: Span,
}

/// All names of a `use`.
pub(in crate::gate) fn imports(tree: &UseTree) -> Vec<Import> {
    let mut imports = Vec::new();
    collect(tree, &mut Vec::new(), &mut imports);
    imports
}

fn collect(tree: &UseTree, before: &mut Vec<String>, imports: &mut Vec<Import>) {
    match tree {
        UseTree::Path(path) => {
            before.push(path.ident.to_string());
            collect(&path.tree, before, imports);
            before.pop();
        }
        UseTree::Name(name) => imports.push(named(before, &name.ident, None)),
        UseTree::Rename(rename) => imports.push(named(before, &rename.ident, Some(&rename.rename))),
        UseTree::Glob(glob) => imports.push(Import {
            path: before.clone(),
            name: None,
            span: glob.star_token.spans[0],
        }),
        UseTree::Group(group) => {
            for tree in &group.items {
                collect(tree, before, imports);
            }
        }
    }
}

fn named(before: &[String], last: &Ident, other_name: Option<&Ident>) -> Import {
    let mut path = before.to_vec();
    // `use a::{self}` imports `a`.
    if last != "self" {
        path.push(last.to_string());
    }
    Import {
        name: other_name.map(Ident::to_string).or_else(|| path.last().cloned()),
        path,
        span: last.span(),
    }
}
