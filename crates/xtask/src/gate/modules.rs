//! The modules of a crate, what each of them names, and which file defines what a path leads to.

pub(super) mod syntax;

use std::collections::HashMap;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};
use syn::{Item, ItemMod};

use self::syntax::Import;

/// The crates that the product consists of, by folder.
pub(super) const PRODUCT_CRATES: [&str; 8] = [
    "pgoutput", "mapper", "delivery", "postgres", "kafka", "topics", "verify", "walcast",
];

/// Imports lead to imports; more than this many are a loop.
const IMPORTS_MAX: usize = 16;

/// A crate's modules; the first is its root.
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
}

/// A module, in a file of its own or inline.
pub(super) struct Module {
    pub(super) file: String,
    /// Its items without those that only tests are built with, and without its modules.
    pub(super) items: Vec<Item>,
    parent: Option<usize>,
    names: HashMap<String, Name>,
    globs: Vec<Vec<String>>,
}

/// What a name stands for in a module.
enum Name {
    Module(usize),
    Item,
    Import(Vec<String>),
}

/// Where a path leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    Module(usize),
    /// An item, or a part of one, that this module defines.
    Item {
        module: usize,
        by_root: bool,
    },
}

type Read<'a> = &'a dyn Fn(&str) -> Option<io::Result<String>>;

impl Crate {
    /// Reads the product crate of that name.
    pub(super) fn of_product(name: &str) -> Result<Self> {
        let read = |path: &str| Path::new(path).is_file().then(|| fs::read_to_string(path));
        Self::read(&format!("crates/{name}/src/lib.rs"), &read)
            .with_context(|| format!("cannot read the modules of {name}"))
    }

    /// Reads the crate whose root is the file `root`. `read` returns a file's text, or nothing if there is no such file.
    pub(super) fn read(root: &str, read: Read<'_>) -> Result<Self> {
        let mut crate_ = Crate { modules: Vec::new() };
        let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
        crate_.add_file(root, folder, None, read)?;
        Ok(crate_)
    }

    /// Adds the module in `file`, whose own modules are found in `folder`.
    fn add_file(&mut self, file: &str, folder: &str, parent: Option<usize>, read: Read<'_>) -> Result<usize> {
        let text = read(file).with_context(|| format!("there is no file {file}"))?;
        let text = text.with_context(|| format!("cannot read {file}"))?;
        let syntax = syn::parse_file(&text).with_context(|| format!("cannot parse {file}"))?;
        self.add(file, folder, parent, syntax.items, read)
    }

    fn add(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        items: Vec<Item>,
        read: Read<'_>,
    ) -> Result<usize> {
        let number = self.modules.len();
        self.modules.push(Module {
            file: file.to_owned(),
            items: Vec::new(),
            parent,
            names: HashMap::new(),
            globs: Vec::new(),
        });
        for item in items {
            if syntax::is_left_out(syntax::attributes(&item)) {
                continue;
            }
            if let Item::Mod(module) = item {
                let name = module.ident.to_string();
                let child = self.add_child(module, file, folder, number, read)?;
                self.modules[number].names.insert(name, Name::Module(child));
                continue;
            }
            if let Some(name) = syntax::defined(&item) {
                self.modules[number].names.insert(name, Name::Item);
            }
            if let Item::Use(item) = &item
                && item.leading_colon.is_none()
            {
                self.modules[number].import(syntax::imports(&item.tree));
            }
            self.modules[number].items.push(item);
        }
        Ok(number)
    }

    fn add_child(
        &mut self,
        module: ItemMod,
        file: &str,
        folder: &str,
        parent: usize,
        read: Read<'_>,
    ) -> Result<usize> {
        let folder = format!("{folder}/{}", module.ident);
        if let Some((_, items)) = module.content {
            return self.add(file, &folder, Some(parent), items, read);
        }
        let beside = format!("{folder}.rs");
        let within = format!("{folder}/mod.rs");
        let file = if read(&beside).is_some() { beside } else { within };
        self.add_file(&file, &folder, Some(parent), read)
    }

    /// Where a path leads that stands in `module`; nowhere if it leads out of the crate.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Option<Target> {
        self.resolve_within(module, path, IMPORTS_MAX)
    }

    fn resolve_within(&self, module: usize, path: &[String], imports: usize) -> Option<Target> {
        let (first, mut rest) = path.split_first()?;
        let mut current = match first.as_str() {
            "crate" => 0,
            "self" => module,
            "super" => self.modules[module].parent?,
            name => match self.look_up(module, name, imports)? {
                Target::Module(module) => module,
                // Where the name was imported, the use of the root is reported.
                Target::Item { module, .. } => {
                    return Some(Target::Item {
                        module,
                        by_root: false,
                    });
                }
            },
        };
        let is_absolute = first == "crate";
        while let Some((name, after)) = rest.split_first() {
            rest = after;
            if name == "super" {
                current = self.modules[current].parent?;
                continue;
            }
            // What no item defines is made by a macro of the module.
            let here = Target::Item {
                module: current,
                by_root: false,
            };
            match self.look_up(current, name, imports).unwrap_or(here) {
                Target::Module(module) => current = module,
                Target::Item { module, .. } => {
                    let by_root = is_absolute && current == 0 && module != 0;
                    return Some(Target::Item { module, by_root });
                }
            }
        }
        Some(Target::Module(current))
    }

    /// What a name stands for in `module`.
    fn look_up(&self, module: usize, name: &str, imports: usize) -> Option<Target> {
        let left = imports.checked_sub(1)?;
        match self.modules[module].names.get(name) {
            Some(Name::Module(child)) => Some(Target::Module(*child)),
            Some(Name::Item) => Some(Target::Item {
                module,
                by_root: false,
            }),
            Some(Name::Import(path)) => self.resolve_within(module, path, left),
            None => self.modules[module].globs.iter().find_map(|glob| {
                match self.resolve_within(module, glob, left)? {
                    Target::Module(other) if other != module => self.look_up(other, name, left),
                    _ => None,
                }
            }),
        }
    }
}

impl Module {
    fn import(&mut self, imports: Vec<Import>) {
        for import in imports {
            match import.name {
                None => self.globs.push(import.path),
                Some(name) => {
                    self.names.entry(name).or_insert(Name::Import(import.path));
                }
            }
        }
    }
}
