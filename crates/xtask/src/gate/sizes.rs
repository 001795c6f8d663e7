//! A report of what is largest: files, functions, and types by methods and fields. No limit, a place to look first.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use syn::visit::{self, Visit};
use syn::{ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, Type};

use super::modules::{Crate, Module, PRODUCT_CRATES, Target, syntax};

/// How many of each are shown.
const SHOWN: usize = 10;

/// A type of a crate.
#[derive(Default)]
struct Size {
    fields: usize,
    methods: usize,
    /// Those that methods are written in.
    files: BTreeSet<String>,
}

/// Prints the largest files of `sources`, and the largest functions and types of the product.
pub(super) fn report(sources: &[(String, String)]) -> Result<()> {
    let mut types: BTreeMap<String, Size> = BTreeMap::new();
    let mut functions = Vec::new();
    for name in PRODUCT_CRATES {
        let crate_ = Crate::of_product(name)?;
        for (number, module) in crate_.modules.iter().enumerate() {
            functions.extend(functions_of(module));
            for item in &module.items {
                add_type(&mut types, &crate_, number, item);
            }
        }
    }
    let files = sources
        .iter()
        .map(|(file, text)| (text.lines().count(), file.clone()));
    show("files by lines", files);
    show("functions by lines", functions.into_iter());
    let files = |size: &Size| match size.files.len() {
        0 | 1 => String::new(),
        files => format!(", in {files} files"),
    };
    show(
        "types by methods",
        types
            .iter()
            .map(|(name, size)| (size.methods, format!("{name}{}", files(size)))),
    );
    show(
        "types by fields",
        types.iter().map(|(name, size)| (size.fields, name.clone())),
    );
    Ok(())
}

fn show(title: &str, sizes: impl Iterator<Item = (usize, String)>) {
    let mut sizes: Vec<(usize, String)> = sizes.collect();
    sizes.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    eprintln!("    largest {title}:");
    for (size, name) in sizes.iter().take(SHOWN) {
        eprintln!("      {size:5} {name}");
    }
}

fn add_type(types: &mut BTreeMap<String, Size>, crate_: &Crate, module: usize, item: &Item) {
    match item {
        Item::Struct(item) => {
            let name = format!("{}::{}", crate_.modules[module].file, item.ident);
            types.entry(name).or_default().fields = item.fields.len();
        }
        Item::Impl(item) if item.trait_.is_none() => {
            if let Some(name) = type_of(crate_, module, item) {
                let size = types.entry(name).or_default();
                let methods = item.items.iter().filter(|item| is_method(item)).count();
                size.methods += methods;
                size.files.insert(crate_.modules[module].file.clone());
            }
        }
        _ => {}
    }
}

/// The type that methods belong to, with the file that defines it.
fn type_of(crate_: &Crate, module: usize, item: &ItemImpl) -> Option<String> {
    let Type::Path(path) = &*item.self_ty else {
        return None;
    };
    let names: Vec<String> = path
        .path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string())
        .collect();
    let Some(Target::Item { module, .. }) = crate_.resolve(module, &names) else {
        return None;
    };
    Some(format!("{}::{}", crate_.modules[module].file, names.last()?))
}

fn is_method(item: &ImplItem) -> bool {
    matches!(item, ImplItem::Fn(_)) && !syntax::is_left_out(syntax::impl_attributes(item))
}

fn functions_of(module: &Module) -> Vec<(usize, String)> {
    let mut functions = Functions {
        file: &module.file,
        sizes: Vec::new(),
    };
    for item in &module.items {
        functions.visit_item(item);
    }
    functions.sizes
}

struct Functions<'a> {
    file: &'a str,
    sizes: Vec<(usize, String)>,
}

impl Functions<'_> {
    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let from = signature.fn_token.span.start().line;
        let to = block.brace_token.span.close().end().line;
        let name = format!("{}:{from} {}", self.file, signature.ident);
        self.sizes.push((to + 1 - from, name));
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_methods_where_the_type_is_defined() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
            (
                "a.rs",
                "pub struct A {\n    x: u8,\n    y: u8,\n}\nimpl A { fn f() {} }\n",
            ),
            (
                "b.rs",
                "impl crate::A {\n    fn g() {\n    }\n    #[cfg(test)]\n    fn h() {}\n}\n",
            ),
        ];
        let read = |path: &str| {
            let file = files
                .iter()
                .find(|(name, _)| Some(*name) == path.strip_prefix("s/"));
            file.map(|(_, text)| Ok((*text).to_owned()))
        };
        let crate_ = Crate::read("s/lib.rs", &read).unwrap();
        let mut types = BTreeMap::new();
        for (number, module) in crate_.modules.iter().enumerate() {
            for item in &module.items {
                add_type(&mut types, &crate_, number, item);
            }
        }
        let size = &types["s/a.rs::A"];
        assert_eq!(
            (types.len(), size.methods, size.fields, size.files.len()),
            (1, 2, 2, 2)
        );
        assert_eq!(functions_of(&crate_.modules[2])[0], (2, "s/b.rs:2 g".to_owned()));
    }
}
