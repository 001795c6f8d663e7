//! The arrows of a crate: each path in its files that leads to another file.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, ItemMod, ItemUse, Macro, Path, TraitItem, Visibility};

use super::graph::Arrow;
use crate::gate::modules::{Crate, Target, syntax};

/// All arrows, in the order of the files.
pub(super) fn arrows(crate_: &Crate) -> Vec<Arrow> {
    let mut arrows = Vec::new();
    for (number, module) in crate_.modules.iter().enumerate() {
        let mut visitor = Visitor {
            crate_,
            module: number,
            arrows: &mut arrows,
        };
        for item in &module.items {
            visitor.visit_item(item);
        }
    }
    arrows
}

struct Visitor<'a> {
    crate_: &'a Crate,
    module: usize,
    arrows: &'a mut Vec<Arrow>,
}

impl Visitor<'_> {
    fn path(&mut self, path: &[String], line: usize) {
        if let Some(Target::Item { module, by_root }) = self.crate_.resolve(self.module, path) {
            self.arrow(module, by_root, path, line);
        }
    }

    fn arrow(&mut self, to: usize, by_root: bool, path: &[String], line: usize) {
        let file = |module: usize| self.crate_.modules[module].file.clone();
        let (from, to) = (file(self.module), file(to));
        if from != to {
            self.arrows.push(Arrow {
                from,
                to,
                line,
                path: path.join("::"),
                by_root,
            });
        }
    }

    /// Paths in the tokens that a macro is given.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut line = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(name) if path.is_empty() || colons == 2 => {
                    line = name.span().start().line;
                    path.push(name.to_string());
                    colons = 0;
                    continue;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' && !path.is_empty() && colons < 2 => {
                    colons += 1;
                    continue;
                }
                TokenTree::Ident(name) => {
                    self.end_of_path(&mut path, line);
                    line = name.span().start().line;
                    path.push(name.to_string());
                }
                TokenTree::Group(group) => {
                    self.end_of_path(&mut path, line);
                    self.tokens(group.stream());
                }
                _ => self.end_of_path(&mut path, line),
            }
            colons = 0;
        }
        self.end_of_path(&mut path, line);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>, line: usize) {
        let path = std::mem::take(path);
        // A single name that begins with a small letter is most often a variable.
        let is_variable = path.len() == 1 && begins_small(&path[0]);
        if !path.is_empty() && !is_variable {
            self.path(&path, line);
        }
    }
}

impl<'ast> Visit<'ast> for Visitor<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !syntax::is_left_out(syntax::attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !syntax::is_left_out(syntax::impl_attributes(item)) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_trait_item(&mut self, item: &'ast TraitItem) {
        if !syntax::is_left_out(syntax::trait_attributes(item)) {
            visit::visit_trait_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, _: &'ast ItemMod) {}

    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_reexport = !matches!(item.vis, Visibility::Inherited);
        if is_reexport || item.leading_colon.is_some() {
            return;
        }
        for import in syntax::imports(&item.tree) {
            let line = import.span.start().line;
            match self.crate_.resolve(self.module, &import.path) {
                Some(Target::Item { module, by_root }) => self.arrow(module, by_root, &import.path, line),
                // A module alone is no use of it, but all of its names are.
                Some(Target::Module(module)) if import.name.is_none() => {
                    self.arrow(module, false, &import.path, line);
                }
                _ => {}
            }
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        if path.leading_colon.is_none()
            && let Some(first) = path.segments.first()
        {
            let names: Vec<String> = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string())
                .collect();
            self.path(&names, first.ident.span().start().line);
        }
        visit::visit_path(self, path);
    }

    fn visit_expr(&mut self, expression: &'ast Expr) {
        // A variable, which may have the name of an item.
        let is_variable = matches!(expression, Expr::Path(path)
            if path.path.get_ident().is_some_and(|name| begins_small(&name.to_string())));
        if !is_variable {
            visit::visit_expr(self, expression);
        }
    }

    fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
        if let Expr::Path(function) = &*call.func {
            self.visit_expr_path(function);
        } else {
            self.visit_expr(&call.func);
        }
        for argument in &call.args {
            self.visit_expr(argument);
        }
    }

    fn visit_macro(&mut self, called: &'ast Macro) {
        self.visit_path(&called.path);
        self.tokens(called.tokens.clone());
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        // Such as the path in `#[serde(with = "crate::text")]`.
        if let Ok(list) = attribute.meta.require_list() {
            for token in list.tokens.clone() {
                if let TokenTree::Literal(literal) = token
                    && let Ok(text) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                    && let Ok(path) = text.parse::<Path>()
                {
                    let names: Vec<String> =
                        path.segments.iter().map(|part| part.ident.to_string()).collect();
                    self.path(&names, literal.span().start().line);
                }
            }
        }
    }
}

fn begins_small(name: &str) -> bool {
    name.starts_with(|first: char| first.is_lowercase() || first == '_')
        && !["crate", "self", "super"].contains(&name)
}
