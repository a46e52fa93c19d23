//! Secrets: looked up where the file says they are. A complaint says how to provide one, never what it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::problem::Problem;
use super::reading::{File, Reading};
use super::value::{Source, Spanned};
use crate::secret::Secret;

impl Reading<'_> {
    /// The value of a secret; a complaint says how to provide it, never what it is.
    pub(super) fn secret(&mut self, file: &File<'_>, source: &Spanned<Source>) -> Option<Secret> {
        let found = match source.get_ref() {
            Source::Literal(_) => {
                Err("a secret is never written in the file: use { credential = \"NAME\" }, { file = \"PATH\" } or { env = \"NAME\" }"
                    .into())
            }
            Source::Env(name) => match (self.env)(name).map(std::ffi::OsString::into_string) {
                Some(Ok(value)) => Ok(value),
                Some(Err(_)) => Err(format!("the environment variable {name} is not UTF-8")),
                None => Err(format!("the environment variable {name} is not set")),
            },
            Source::File(path) => self.secret_file(&file.dir().join(path)),
            Source::Credential(name) => self.credential(name),
        };
        match found.map(|value| value.trim_end_matches(['\n', '\r']).to_owned()) {
            Ok(value) if value.is_empty() => {
                self.problems.push(Problem::at_secret(file.path, file.text, source.span(), "this secret is empty"))
            }
            Ok(value) => return Some(Secret::new(value)),
            Err(message) => self.problems.push(Problem::at_secret(file.path, file.text, source.span(), message)),
        }
        None
    }

    pub(super) fn secret_file(&mut self, path: &Path) -> Result<String, String> {
        let value = fs::read_to_string(path).map_err(|e| format!("cannot read the secret file {}: {e}", path.display()))?;
        if fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & 0o004 != 0) {
            self.warnings.push(format!("the secret file {} can be read by everybody; chmod 600 it", path.display()));
        }
        Ok(value)
    }

    /// A systemd credential. One loaded from a directory as `secret` is called `secret_NAME`.
    pub(super) fn credential(&self, name: &str) -> Result<String, String> {
        let plain = !name.is_empty() && !name.contains('/') && name != "..";
        let dir = (self.env)("CREDENTIALS_DIRECTORY").filter(|_| plain);
        let Some(dir) = dir.map(PathBuf::from) else {
            return Err(if plain {
                format!(
                    "there is no credential {name}: $CREDENTIALS_DIRECTORY is not set; with the shipped unit put it in /etc/feedwire/secrets/{name}"
                )
            } else {
                "the name of a credential is a file name".into()
            });
        };
        let tries = [dir.join(name), dir.join(format!("secret_{name}"))];
        let read = tries.iter().find_map(|path| fs::read_to_string(path).ok());
        read.ok_or_else(|| {
            format!(
                "there is no credential {name} in {}; with the shipped unit put it in /etc/feedwire/secrets/{name} and restart",
                dir.display()
            )
        })
    }
}
