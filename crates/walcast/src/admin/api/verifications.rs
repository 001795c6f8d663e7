//! `/api/v1/verifications`: the last certificates.

use std::collections::BTreeMap;

use axum::response::Json;
use jiff::Timestamp;
use serde::Serialize;

use crate::admin::addressed::Addressed;
use crate::connector_handle::ConnectorHandle;
use crate::last_verification::{VerificationReport, last_certificates};

/// Certificates of `walcast verify`.
#[derive(Debug, Serialize)]
pub(super) struct Verifications {
    as_of: Option<String>,
    error: Option<String>,
    certificates: Vec<VerificationReport>,
    commands: BTreeMap<&'static str, &'static str>,
}

pub(super) async fn verifications(Addressed(connector): Addressed) -> Json<Verifications> {
    Json(read(&connector).await)
}

async fn read(connector: &ConnectorHandle) -> Verifications {
    let views = &connector.views.certificates;
    let view = match &connector.settings {
        None => views.known(),
        Some(settings) => {
            let kafka = settings.kafka.clone();
            views.view(|| last_certificates(kafka)).await
        }
    };
    let now = Timestamp::now().as_microsecond();
    let certificates = view.value.as_deref().map(Vec::as_slice).unwrap_or_default();
    Verifications {
        as_of: view.as_of,
        error: view.error,
        certificates: certificates.iter().map(|stored| stored.report(now)).collect(),
        commands: BTreeMap::from([("verify", "walcast verify")]),
    }
}
