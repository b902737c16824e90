//! A private sshd on a loopback port, with keys of its own; ends with the test.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::super::SshDestination;
use super::{directory, eventually};

/// A running server.
pub(super) struct Sshd {
    child: Child,
    pub(super) port: u16,
    pub(super) dir: PathBuf,
}

impl Sshd {
    /// Starts it with further lines of configuration.
    pub(super) fn start(options: &str) -> Sshd {
        let dir = directory();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["host", "user"] {
            keygen(&dir.join(name));
        }
        fs::copy(dir.join("user.pub"), dir.join("authorized")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let shown = dir.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {shown}/host\nAuthorizedKeysFile {shown}/authorized\nPidFile none\n\
             UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n{options}\n"
        );
        fs::write(dir.join("config"), config).unwrap();
        // Started as root it wants its separation directory, which exists only where the service was once started.
        if rustix::process::geteuid().is_root() {
            let _ = fs::create_dir_all("/run/sshd");
        }
        let child = Command::new("/usr/sbin/sshd")
            .args(["-D", "-f"])
            .arg(dir.join("config"))
            .arg("-E")
            .arg(dir.join("log"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let sshd = Sshd { child, port, dir };
        sshd.trust(&sshd.dir.join("host.pub"));
        eventually("sshd listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        sshd
    }

    /// Makes this public key the known one.
    pub(super) fn trust(&self, key: &Path) {
        let key = fs::read_to_string(key).unwrap();
        fs::write(self.dir.join("known"), format!("[127.0.0.1]:{} {key}", self.port)).unwrap();
    }

    pub(super) fn destination(&self) -> SshDestination {
        SshDestination {
            address: String::from("127.0.0.1"),
            port: Some(self.port),
            user: None,
            identity_file: Some(self.dir.join("user")),
            known_hosts: Some(self.dir.join("known")),
            jump: None,
            // The default exchange costs ten times the processor; what is tested here does not depend on it.
            options: vec![("KexAlgorithms".into(), "curve25519-sha256".into())],
        }
    }
}

/// Makes a key pair without a passphrase.
pub(super) fn keygen(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
