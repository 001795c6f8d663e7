//! Downloads from Maven's central repository by the ordinary `mvn` client.

use std::path::Path;
use std::process::Command;

use crate::command;
use crate::error::{Result, file_error};

/// A Maven artifact: `group:artifact:version` with packaging and classifier where they are not the usual jar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Artifact(pub(crate) String);

/// Pinned, so that a new release of the plugin cannot change what a download does.
const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// Copies artifacts with everything they depend on (jars) into a folder, but for what is of an excluded group.
pub(crate) fn copy_with_dependencies(
    artifacts: &[Artifact],
    excluded_group: Option<&str>,
    folder: &Path,
) -> Result<()> {
    let work = Workplace::create()?;
    work.write_pom(artifacts)?;
    let mut arguments = vec![format!("-DoutputDirectory={}", folder.display())];
    arguments.extend(excluded_group.map(|group| format!("-DexcludeGroupIds={group}")));
    work.run("copy-dependencies", &arguments)
}

/// Copies one artifact alone into a folder.
///
/// `absent_parent` names a parent project (group, artifact, version) that the artifact refers to but that was never published;
/// an empty one is put in its place, since nothing of it is needed for a copy.
pub(crate) fn copy_alone(artifact: &Artifact, absent_parent: Option<[&str; 3]>, folder: &Path) -> Result<()> {
    let work = Workplace::create()?;
    work.write_pom(&[])?;
    if let Some(parent) = absent_parent {
        work.write_parent(parent)?;
    }
    work.run(
        "copy",
        &[
            format!("-Dartifact={}", artifact.0),
            format!("-DoutputDirectory={}", folder.display()),
        ],
    )
}

/// Unpacks one jar alone into a folder.
pub(crate) fn unpack_alone(artifact: &Artifact, folder: &Path) -> Result<()> {
    let work = Workplace::create()?;
    work.write_pom(&[])?;
    work.run(
        "unpack",
        &[
            format!("-Dartifact={}", artifact.0),
            format!("-DoutputDirectory={}", folder.display()),
        ],
    )
}

/// A temporary project from which `mvn` is run, with a repository of its own for stand-in parents.
struct Workplace {
    folder: tempfile::TempDir,
}

impl Workplace {
    fn create() -> Result<Workplace> {
        command::require(&["java", "mvn"])?;
        let folder = tempfile::tempdir().map_err(file_error("create a folder in", std::env::temp_dir()))?;
        Ok(Workplace { folder })
    }

    fn write_pom(&self, artifacts: &[Artifact]) -> Result<()> {
        let path = self.folder.path().join("pom.xml");
        let parents = self.folder.path().join("parents");
        let text = project(artifacts, &parents.to_string_lossy());
        std::fs::write(&path, text).map_err(file_error("write", path))
    }

    fn write_parent(&self, [group, artifact, version]: [&str; 3]) -> Result<()> {
        let folder = self
            .folder
            .path()
            .join("parents")
            .join(group.replace('.', "/"))
            .join(artifact)
            .join(version);
        std::fs::create_dir_all(&folder).map_err(file_error("create", &folder))?;
        let path = folder.join(format!("{artifact}-{version}.pom"));
        let text = format!(
            "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
             <groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>\
             <packaging>pom</packaging></project>"
        );
        std::fs::write(&path, text).map_err(file_error("write", path))
    }

    fn run(&self, goal: &str, arguments: &[String]) -> Result<()> {
        let mut mvn = Command::new("mvn");
        // -U: a download that failed once is tried again, not remembered as failed for a day.
        mvn.args(["--batch-mode", "--no-transfer-progress", "--quiet", "-U"])
            .arg(format!("{PLUGIN}:{goal}"))
            .args(arguments)
            .current_dir(self.folder.path());
        command::run(mvn)
    }
}

fn project(artifacts: &[Artifact], parents: &str) -> String {
    let dependencies: String = artifacts
        .iter()
        .map(|artifact| {
            let mut parts = artifact.0.split(':');
            let mut part = || parts.next().unwrap_or_default();
            format!(
                "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version></dependency>",
                part(),
                part(),
                part()
            )
        })
        .collect();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>walcast.testbed</groupId><artifactId>download</artifactId><version>1</version>\
         <repositories><repository><id>parents</id><url>file://{parents}</url></repository></repositories>\
         <dependencies>{dependencies}</dependencies></project>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_lists_each_artifact() {
        let text = project(&[Artifact("g.h:a:1.0".into())], "/p");
        assert!(
            text.contains("<groupId>g.h</groupId><artifactId>a</artifactId><version>1.0</version>"),
            "{text}"
        );
        assert!(text.contains("file:///p"), "{text}");
    }
}
