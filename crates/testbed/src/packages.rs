//! Which packages the servers come from, and how each is unpacked.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache::Cache;
use crate::command;
use crate::error::{Error, Result, file_error};
use crate::maven::{self, Artifact};
use crate::progress::Step;

/// The Postgres releases that can be started, oldest first: (major, version of the package).
pub const POSTGRES_RELEASES: [(u16, &str); 7] = [
    (12, "12.22.0"),
    (13, "13.23.0"),
    (14, "14.19.0"),
    (15, "15.19.0"),
    (16, "16.10.0"),
    (17, "17.6.0"),
    (18, "18.0.0"),
];

/// The Kafka releases that can be started, oldest first: (major and minor number, version of the package).
pub const KAFKA_RELEASES: [(&str, &str); 2] = [("4.1", "4.1.0"), ("4.2", "4.2.2")];

/// The release of Kafka of a broker of which nothing else is said, and of the Connect worker.
pub(crate) const KAFKA: &str = "4.1";

const LOG4J_VERSION: &str = "2.24.3";
/// The last line of releases that runs on Java 17.
const REGISTRY_VERSION: &str = "3.0.9";
/// The Debezium releases whose records ours are compared with, oldest first: (major and minor number, version of the package).
pub const DEBEZIUM_RELEASES: [(&str, &str); 2] = [("3.3", "3.3.1.Final"), ("3.6", "3.6.0.Final")];

/// The release of Debezium of a worker of which nothing else is said.
pub(crate) const DEBEZIUM: &str = "3.3";
/// The last line of Avro converters that runs on Java 17 and speaks the registry's second API.
const AVRO_CONVERTER_VERSION: &str = "2.6.13.Final";

/// The checks of accessibility that are run in the page of the console.
const AXE_VERSION: &str = "4.10.3";

/// Name and version of the servers beside Postgres that are started by default.
pub fn package_versions() -> Vec<(&'static str, &'static str)> {
    let [(_, kafka), ..] = KAFKA_RELEASES;
    let [(_, debezium), ..] = DEBEZIUM_RELEASES;
    vec![
        ("Kafka", kafka),
        ("Apicurio Registry", REGISTRY_VERSION),
        ("Debezium", debezium),
    ]
}

/// Folder with `bin/postgres` and `bin/initdb` of a major version, downloaded if needed.
pub(crate) fn postgres(major: u16) -> Result<PathBuf> {
    let release = POSTGRES_RELEASES.iter().find(|(known, _)| *known == major);
    let (_, version) = release.ok_or_else(|| Error::Unsupported {
        what: format!("postgres {major}"),
        supported: "major versions 12 to 18".to_owned(),
    })?;
    let machine = postgres_machine()?;
    Cache::open()?.package(&format!("postgres-{version}"), |folder| {
        command::require(&["tar", "xz"])?;
        let step = Step::start(format!("downloading postgres {version}"));
        let artifact = format!("io.zonky.test.postgres:embedded-postgres-binaries-{machine}:{version}");
        let download = tempfile::tempdir().map_err(file_error("create a folder in", std::env::temp_dir()))?;
        maven::unpack_alone(&Artifact(artifact), download.path())?;
        unpack_tar(&only_file(download.path(), "txz")?, folder)?;
        step.done();
        Ok(())
    })
}

/// Version of the package of a release.
fn version_of(what: &str, releases: &[(&'static str, &'static str)], release: &str) -> Result<&'static str> {
    let found = releases.iter().find(|(known, _)| *known == release);
    let (_, version) = found.ok_or_else(|| Error::Unsupported {
        what: format!("{what} {release}"),
        supported: releases
            .iter()
            .map(|(known, _)| *known)
            .collect::<Vec<_>>()
            .join(", "),
    })?;
    Ok(version)
}

/// Version of the package of a Debezium release (`3.6`), which its connector reports.
///
/// # Errors
/// A release that is none of [`DEBEZIUM_RELEASES`].
pub fn debezium_version(release: &str) -> Result<&'static str> {
    version_of("debezium", &DEBEZIUM_RELEASES, release)
}

/// Name of the package of a release.
pub(crate) fn kafka_package(release: &str) -> Result<String> {
    version_of("kafka", &KAFKA_RELEASES, release).map(|version| format!("kafka-{version}"))
}

/// Folder with the jars of broker, storage tool and logging of a release, downloaded if needed.
pub(crate) fn kafka(release: &str) -> Result<PathBuf> {
    let version = version_of("kafka", &KAFKA_RELEASES, release)?;
    Cache::open()?.package(&kafka_package(release)?, |folder| {
        let step = Step::start(format!("downloading kafka {version}"));
        let artifacts = [
            format!("org.apache.kafka:kafka_2.13:{version}"),
            format!("org.apache.kafka:kafka-tools:{version}"),
            format!("org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}"),
            format!("org.apache.logging.log4j:log4j-core:{LOG4J_VERSION}"),
        ];
        maven::copy_with_dependencies(&artifacts.map(Artifact), None, folder)?;
        step.done();
        Ok(())
    })
}

/// Name of the registry's package.
pub(crate) fn registry_package() -> String {
    format!("apicurio-registry-{REGISTRY_VERSION}")
}

/// The registry's runner jar (beside its `lib` folder), downloaded if needed.
pub(crate) fn registry() -> Result<PathBuf> {
    let folder = Cache::open()?.package(&registry_package(), |folder| {
        command::require(&["tar"])?;
        let step = Step::start(format!("downloading apicurio registry {REGISTRY_VERSION}"));
        let artifact = format!("io.apicurio:apicurio-registry-app:{REGISTRY_VERSION}:tar.gz:all");
        let parent = ["io.apicurio", "apicurio-registry", REGISTRY_VERSION];
        let download = tempfile::tempdir().map_err(file_error("create a folder in", std::env::temp_dir()))?;
        maven::copy_alone(&Artifact(artifact), Some(parent), download.path())?;
        unpack_tar(&only_file(download.path(), "gz")?, folder)?;
        step.done();
        Ok(())
    })?;
    Ok(folder.join(format!("apicurio-registry-app-{REGISTRY_VERSION}-runner.jar")))
}

/// The script of axe-core, which checks the accessibility of a page, downloaded if needed. Blocks.
///
/// # Errors
/// A missing program says what to install; a failed download carries the end of npm's output.
pub fn axe_core() -> Result<String> {
    let folder = Cache::open()?.package(&format!("axe-core-{AXE_VERSION}"), |folder| {
        command::require(&["npm", "tar"])?;
        let step = Step::start(format!("downloading axe-core {AXE_VERSION}"));
        let download = tempfile::tempdir().map_err(file_error("create a folder in", std::env::temp_dir()))?;
        let mut npm = Command::new("npm");
        npm.args(["pack", "--silent"])
            .arg(format!("axe-core@{AXE_VERSION}"))
            .current_dir(download.path());
        command::run(npm)?;
        unpack_tar(&only_file(download.path(), "tgz")?, folder)?;
        step.done();
        Ok(())
    })?;
    let script = folder.join("package/axe.min.js");
    std::fs::read_to_string(&script).map_err(file_error("read", script))
}

/// Where the parts of Debezium are.
#[derive(Clone, Debug)]
pub(crate) struct DebeziumPackages {
    /// The jars of a Kafka Connect worker.
    pub(crate) worker: PathBuf,
    /// A folder for each plugin of the worker: the connector, and the Avro converter.
    pub(crate) plugins: PathBuf,
}

/// A Kafka Connect worker with the Debezium connector of a release and the Avro converter, downloaded if needed.
pub(crate) fn debezium(release: &str) -> Result<DebeziumPackages> {
    let version = debezium_version(release)?;
    let of_worker = version_of("kafka", &KAFKA_RELEASES, KAFKA)?;
    let folder = Cache::open()?.package(&format!("debezium-{version}"), |folder| {
        command::require(&["tar"])?;
        let step = Step::start(format!("downloading debezium {version}"));
        let subfolder = |name: &str| -> Result<PathBuf> {
            let path = folder.join(name);
            std::fs::create_dir_all(&path).map_err(file_error("create", &path))?;
            Ok(path)
        };
        let worker = [
            format!("org.apache.kafka:connect-runtime:{of_worker}"),
            format!("org.apache.logging.log4j:log4j-slf4j-impl:{LOG4J_VERSION}"),
            format!("org.apache.logging.log4j:log4j-core:{LOG4J_VERSION}"),
        ];
        maven::copy_with_dependencies(&worker.map(Artifact), None, &subfolder("worker")?)?;
        let plugin = format!("io.debezium:debezium-connector-postgres:{version}:tar.gz:plugin");
        let download = tempfile::tempdir().map_err(file_error("create a folder in", std::env::temp_dir()))?;
        maven::copy_alone(&Artifact(plugin), None, download.path())?;
        unpack_tar(&only_file(download.path(), "gz")?, &subfolder("plugins")?)?;
        let converter = format!("io.apicurio:apicurio-registry-utils-converter:{AVRO_CONVERTER_VERSION}");
        // The worker has Kafka's own classes; a second copy of them in a plugin would be taken for plugins of their own.
        maven::copy_with_dependencies(
            &[Artifact(converter)],
            Some("org.apache.kafka"),
            &subfolder("plugins/avro-converter")?,
        )?;
        step.done();
        Ok(())
    })?;
    Ok(DebeziumPackages {
        worker: folder.join("worker"),
        plugins: folder.join("plugins"),
    })
}

/// Downloads all that [`Debezium::start`](crate::Debezium::start) needs for every release, and the brokers of every Kafka release.
/// Blocks.
///
/// # Errors
/// Those of [`fetch`].
pub fn fetch_debezium() -> Result<()> {
    for (release, _) in DEBEZIUM_RELEASES {
        debezium(release)?;
    }
    for (release, _) in KAFKA_RELEASES {
        kafka(release)?;
    }
    Ok(())
}

/// Downloads all that [`Testbed::start`](crate::Testbed::start) needs for the given Postgres major versions. Blocks.
///
/// # Errors
/// A missing program says what to install; a failed download carries the end of Maven's output.
pub fn fetch(postgres_majors: &[u16]) -> Result<()> {
    for major in postgres_majors {
        postgres(*major)?;
    }
    kafka(KAFKA)?;
    registry()?;
    Ok(())
}

fn postgres_machine() -> Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Ok("linux-amd64"),
        ("linux", "aarch64") => Ok("linux-arm64v8"),
        (os, architecture) => Err(Error::Unsupported {
            what: format!("postgres on {os} {architecture}"),
            supported: "linux on x86_64 and aarch64".to_owned(),
        }),
    }
}

fn unpack_tar(archive: &Path, folder: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(folder)
        .arg("--no-same-owner");
    command::run(tar)
}

fn only_file(folder: &Path, extension: &str) -> Result<PathBuf> {
    let entries = std::fs::read_dir(folder).map_err(file_error("list", folder))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    files
        .find(|path| path.extension().is_some_and(|found| found == extension))
        .ok_or_else(|| Error::File {
            action: "find the downloaded archive in",
            path: folder.to_path_buf(),
            source: std::io::ErrorKind::NotFound.into(),
        })
}
