//! Definitions of the application's types: enums and domains.

use super::generator::Generator;
use super::model::{Kind, OwnType};
use super::step::{Effect, Statement};

/// Most labels of an enum.
const LABELS_MAX: usize = 6;

impl Generator {
    /// A type of the application, with its definition if it is new.
    pub(super) fn some_own_kind(&mut self) -> (Kind, Option<Statement>) {
        let known: Vec<usize> = (0..self.model.types.len())
            .filter(|own| !self.model.types[*own].is_dropped)
            .collect();
        let (own, definition) = match self.pick(&known).copied() {
            Some(own) if !self.one_in(3) => (own, None),
            _ => self.create_type(),
        };
        let is_enum = self.model.types[own].labels.is_some();
        if is_enum && self.one_in(4) {
            (Kind::Owns(own), definition)
        } else {
            (Kind::Own(own), definition)
        }
    }

    fn create_type(&mut self) -> (usize, Option<Statement>) {
        let is_enum = self.one_in(2);
        let name = self.model.new_name(if is_enum { "mood" } else { "price" });
        let labels = is_enum.then(|| vec![format!("{name} low"), format!("{name} high")]);
        let sql = match &labels {
            Some(labels) => format!("CREATE TYPE public.{name} AS ENUM ('{}')", labels.join("', '")),
            None => format!("CREATE DOMAIN public.{name} AS numeric(12,2)"),
        };
        self.model.types.push(OwnType {
            name,
            labels,
            is_dropped: false,
        });
        (
            self.model.types.len() - 1,
            Some(Statement::define(sql, Vec::new())),
        )
    }

    /// A definition that concerns a type of the application.
    pub(super) fn own_type(&mut self) -> Option<Vec<Statement>> {
        let known: Vec<usize> = (0..self.model.types.len())
            .filter(|own| !self.model.types[*own].is_dropped)
            .collect();
        let own = *self.pick(&known)?;
        let users: Vec<String> = self.model.tables_with(own).map(|table| table.full()).collect();
        let reshapes = || users.iter().cloned().map(Effect::Reshapes).collect::<Vec<_>>();
        let name = self.model.types[own].name.clone();
        let labels = self.model.types[own].labels.clone();
        let (sql, effects) = match (self.roll(5), labels) {
            (0 | 1, Some(labels)) if labels.len() < LABELS_MAX => {
                let label = format!("{name} {}", self.model.new_name("l"));
                let sql = format!("ALTER TYPE public.{name} ADD VALUE '{label}'");
                // A transaction must not use a label that it adds.
                self.later_labels.push((own, label));
                (sql, Vec::new())
            }
            (2, Some(mut labels)) => {
                let which = self.roll(labels.len());
                let label = format!("{name} {}", self.model.new_name("l"));
                let before = std::mem::replace(&mut labels[which], label.clone());
                self.model.types[own].labels = Some(labels);
                let sql = format!("ALTER TYPE public.{name} RENAME VALUE '{before}' TO '{label}'");
                (sql, reshapes())
            }
            (3, labels) => {
                let renamed = self.model.new_name("kind");
                let kind = if labels.is_some() { "TYPE" } else { "DOMAIN" };
                self.model.types[own].name.clone_from(&renamed);
                (
                    format!("ALTER {kind} public.{name} RENAME TO {renamed}"),
                    Vec::new(),
                )
            }
            (4, labels) if users.is_empty() => {
                let kind = if labels.is_some() { "TYPE" } else { "DOMAIN" };
                self.model.types[own].is_dropped = true;
                (format!("DROP {kind} public.{name}"), Vec::new())
            }
            _ => return None,
        };
        Some(vec![Statement::define(sql, effects)])
    }
}
