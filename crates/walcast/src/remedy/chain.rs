//! Chain of an error and its causes, in which every error has its own type.

use std::error::Error;

use walcast_delivery::{BoxedPortError, DeliveryError, ImportError, SnapshotUnanswered};
use walcast_mapper::MapError;
use walcast_postgres::PostgresError;

/// Error and its causes, each in the place of what holds it: a box, or an error that shows only the text of another.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(innermost(error)), |cause| (*cause).source().map(innermost))
}

fn innermost<'a>(error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    let held = std::iter::successors(Some(error), |error| held_by(*error));
    held.last().unwrap_or(error)
}

/// Error that another one holds without text of its own.
fn held_by<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(boxed) = error.downcast_ref::<BoxedPortError>() {
        return Some(boxed.as_error());
    }
    if let Some(boxed) = error.downcast_ref::<Box<PostgresError>>() {
        return Some(&**boxed);
    }
    if let Some(boxed) = error.downcast_ref::<Box<MapError>>() {
        return Some(&**boxed);
    }
    if let Some(DeliveryError::Halt(halt)) = error.downcast_ref() {
        return Some(halt);
    }
    match error.downcast_ref() {
        Some(ImportError::Rejected(rejected)) => return Some(rejected),
        Some(ImportError::Delivery(error)) => return Some(error),
        _ => {}
    }
    match error.downcast_ref() {
        Some(SnapshotUnanswered::Rejected(rejected)) => Some(rejected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use walcast_delivery::{BoxedPortError, DeliveryError, Halt, ImportError};
    use walcast_pgoutput::Lsn;
    use walcast_postgres::{PostgresError, ServerError};

    use super::causes;

    #[test]
    fn errors_are_found_in_boxes_and_behind_other_errors() {
        let denied = PostgresError::ReadDenied {
            table: "public.items".to_owned(),
            source: Box::new(PostgresError::Server {
                doing: "reading rows",
                error: Box::new(ServerError {
                    code: "42501".to_owned(),
                    ..ServerError::default()
                }),
            }),
        };
        let error = ImportError::Delivery(DeliveryError::Source(BoxedPortError::from(denied)));
        let found: Vec<&PostgresError> = causes(&error).filter_map(|cause| cause.downcast_ref()).collect();
        assert!(
            matches!(
                found[..],
                [PostgresError::ReadDenied { .. }, PostgresError::Server { .. }]
            ),
            "{found:?}"
        );

        let halt = Halt::SlotMissing {
            slot: "s".to_owned(),
            stored: Lsn::new(1),
        };
        let error = anyhow::Error::new(ImportError::Delivery(halt.into())).context("import");
        assert!(causes(error.as_ref()).any(|cause| cause.is::<Halt>()));
    }
}
