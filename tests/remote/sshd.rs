//! A real sshd on loopback: this machine's own, or that of the lab's host image, with mounts and processes of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use multivm::image::Store;
use multivm::inventory::{Access, Login, Secret, Sudo};
use tempfile::TempDir;

/// What sshd is started by: `$1` is its root, `$2` the folder that it finds as /mnt.
const SCRIPT: &str = r#"set -e
mount --bind "$2" "$1/mnt"
mount -t tmpfs tmpfs "$1/run"
mkdir -p "$1/run/sshd"
if [ "$1" != / ]; then
    mount --rbind /dev "$1/dev"
    mount -t proc proc "$1/proc"
fi
for file in passwd shadow sudoers; do
    [ ! -e "$1/etc/$file" ] || mount --bind "$2/$file" "$1/etc/$file"
done
[ ! -e "$1/etc/pam.d/sshd" ] || mount --bind "$2/pam" "$1/etc/pam.d/sshd"
exec chroot "$1" /usr/sbin/sshd -D -e -f /mnt/sshd_config 2>&1
"#;

/// What the server's users but root log in with.
pub const PASSWORD: &str = "correct horse";

/// Its hash, as crypt(3) makes it.
const HASH: &str =
    "$6$multivm$.9jKVb8TNxk439tMxxGMT/r07Ra6rUVtnAvQXm9f97TXWZR5A7RyWrNg6ZqknQyJ4dXvfa8nf7UzN0sy6g.Nj.";

/// The server's users but root, and what sudo may ask them.
const USERS: [(&str, &str); 3] = [("asked", "ALL"), ("trusted", "NOPASSWD: ALL"), (INTERACTIVE, "ALL")];

/// The user whose password sshd takes by `keyboard-interactive` alone, where it has PAM.
pub const INTERACTIVE: &str = "interactive";

/// What PAM does for sshd: it asks for the password, and lets nobody wait after a wrong one.
const PAM: &str =
    "auth required pam_unix.so nodelay\naccount required pam_unix.so\nsession required pam_permit.so\n";

pub struct Sshd {
    pub port: u16,
    /// Whether the server has sudo.
    pub has_sudo: bool,
    /// Whether the server has PAM, without which sshd asks nothing by `keyboard-interactive`.
    pub has_pam: bool,
    process: Child,
    folder: TempDir,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Its namespaces end with it, and all that runs in them.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Sshd {
    /// Or why there can be none.
    pub fn start() -> Result<Sshd, String> {
        let root = root()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        for (name, kind) in
            [("user", "ed25519"), ("stranger", "ed25519"), ("host_ed25519", "ed25519"), ("host_rsa", "rsa")]
        {
            make_key(&folder.path().join(name), kind)?;
        }
        let agent = Command::new("ssh-add").arg("-q").arg(folder.path().join("user")).status();
        agent.map_err(|error| format!("ssh-add: {error}"))?;
        make_users(&root, &folder)?;
        let has_sudo = root.join("usr/bin/sudo").exists();
        let has_pam = root.join("etc/pam.d/sshd").exists();
        fs::write(folder.path().join("pam"), PAM).map_err(|error| error.to_string())?;
        // Another process may take the port before sshd does.
        let mut said = String::new();
        // OpenSSH 9.8 and later stop answering one who is refused often; an older one does not know the option.
        let mut settings = "PerSourcePenalties no\n";
        for _ in 0..5 {
            let pam = if has_pam { "yes" } else { "no" };
            match begin(&root, &folder, &format!("{settings}UsePAM {pam}\n"))? {
                Ok((process, port)) => return Ok(Sshd { port, has_sudo, has_pam, process, folder }),
                Err(output) => {
                    if output.contains("Bad configuration option: PerSourcePenalties") {
                        settings = "";
                    }
                    said = output;
                }
            }
        }
        Err(format!("sshd of {} cannot be started: {}", root.display(), said.trim()))
    }

    /// How the user logs in, through this port.
    pub fn login(&self, port: u16) -> Login {
        self.login_with(port, "user", &format!("[127.0.0.1]:{port} {}", self.public("host_ed25519")))
    }

    /// Logs in with one of the keys, and with these words in known_hosts.
    pub fn login_with(&self, port: u16, key: &str, known_hosts: &str) -> Login {
        // The cases run at the same time, each with words of its own.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = self.folder.path().join(format!("known_hosts_{number}"));
        fs::write(&file, format!("{known_hosts}\n")).unwrap();
        Login::of_root("127.0.0.1", port, self.folder.path().join(key), file)
    }

    /// Another user's login, by the password in a file.
    pub fn login_of(&self, user: &str, password: &str, sudo: Sudo) -> Login {
        let path = self.folder.path().join(format!("password of {user} {}", password.len()));
        fs::write(&path, password).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let access = Access::Password(Secret::File(path));
        Login { user: user.to_owned(), access, sudo, ..self.login(self.port) }
    }

    /// A file beside the server's, of that name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A public key, as known_hosts has it.
    pub fn public(&self, key: &str) -> String {
        let text = fs::read_to_string(self.folder.path().join(format!("{key}.pub"))).unwrap();
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    /// A file by the name that commands on the server have for it, and by ours.
    pub fn file(&self, name: &str) -> (String, PathBuf) {
        (format!("/mnt/{name}"), self.folder.path().join(name))
    }
}

/// What sshd takes for its root.
fn root() -> Result<PathBuf, String> {
    if !nix::unistd::Uid::effective().is_root() {
        return Err("sshd gets mounts of its own: that needs root".into());
    }
    if Path::new("/usr/sbin/sshd").exists() {
        return Ok("/".into());
    }
    let images = Store::read(|name| std::env::var(name).ok())
        .map_err(|failure| failure.to_string())?
        .cache
        .join("images");
    fs::read_dir(&images)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("root")))
        .filter(|root| root.join("usr/sbin/sshd").exists())
        // An image of an earlier version has no sudo.
        .max_by_key(|root| root.join("usr/bin/sudo").exists())
        .ok_or_else(|| {
            format!(
                "no sshd on this machine, and no host image in {}: `multivm lab up` makes one",
                images.display()
            )
        })
}

fn make_key(path: &Path, kind: &str) -> Result<(), String> {
    let made = Command::new("ssh-keygen").args(["-q", "-N", "", "-t", kind, "-f"]).arg(path).output();
    match made {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("ssh-keygen: {}", String::from_utf8_lossy(&output.stderr))),
        Err(error) => Err(format!("ssh-keygen: {error}; ./setup installs it")),
    }
}

/// The server's accounts: its own, and [`USERS`].
fn make_users(root: &Path, folder: &TempDir) -> Result<(), String> {
    let own = |name: &str| fs::read_to_string(root.join("etc").join(name)).map_err(|error| error.to_string());
    let (mut passwd, mut shadow) = (own("passwd")?, own("shadow")?);
    let mut sudoers = "root ALL=(ALL) ALL\n".to_owned();
    for (number, (user, may)) in USERS.iter().enumerate() {
        passwd += &format!("{user}:x:{0}:{0}::/tmp:/bin/sh\n", 4242 + number);
        shadow += &format!("{user}:{HASH}:19000:0:99999:7:::\n");
        sudoers += &format!("{user} ALL=(ALL) {may}\n");
    }
    for (name, text, mode) in
        [("passwd", passwd, 0o644), ("shadow", shadow, 0o600), ("sudoers", sudoers, 0o440)]
    {
        let path = folder.path().join(name);
        fs::write(&path, text)
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Starts it on some port; or what it said when it ended.
fn begin(root: &Path, folder: &TempDir, settings: &str) -> Result<Result<(Child, u16), String>, String> {
    let text = |error: std::io::Error| error.to_string();
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|bound| bound.local_addr())
        .map_err(text)?
        .port();
    let public = fs::read_to_string(folder.path().join("user.pub")).map_err(text)?;
    fs::write(folder.path().join("authorized_keys"), public).map_err(text)?;
    let config = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey /mnt/host_ed25519\nHostKey /mnt/host_rsa\n\
         AuthorizedKeysFile /mnt/authorized_keys\nStrictModes no\nPermitRootLogin prohibit-password\n\
         PasswordAuthentication yes\nKbdInteractiveAuthentication no\nUseDNS no\nPidFile none\n\
         MaxStartups 200\n{settings}Match User {INTERACTIVE}\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n"
    );
    fs::write(folder.path().join("sshd_config"), config).map_err(text)?;
    let mut process = multivm::sys::contained::command("sh")
        .args(["-c", SCRIPT, "sshd"])
        .args([root, folder.path()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("unshare: {error}"))?;
    let mut output = BufReader::new(process.stdout.take().ok_or("no pipe")?);
    let mut said = String::new();
    while output.read_line(&mut said).map_err(text)? > 0 {
        if said.contains("Server listening on") && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            // It must not stop for a pipe that nobody reads.
            std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
            return Ok(Ok((process, port)));
        }
    }
    if let Some(mut errors) = process.stderr.take() {
        errors.read_to_string(&mut said).map_err(text)?;
    }
    process.wait().map_err(text)?;
    Ok(Err(said))
}
