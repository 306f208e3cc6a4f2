//! The unit or container of a process, from the text of `/proc/PID/cgroup`.
//!
//! A container is called by its runtime and the first twelve digits of its id, as the tools of that runtime
//! print it: `docker:0123456789ab`. Everything else is called as systemd calls it.

use conntop_proto::text::sanitize;

/// Digits of a container's id that are shown.
const SHORT: usize = 12;
/// Digits of a whole one.
const ID: usize = 64;

/// The unit or container; `None` for a process that is in none.
pub(super) fn unit(cgroup: &str) -> Option<String> {
    let lines = || cgroup.lines().filter_map(Line::parse);
    // The hierarchy that systemd manages says most. Where there is none, one of the old controllers may
    // still name a container.
    let unified = lines().filter(|line| line.hierarchy == "0" && line.controllers.is_empty());
    let systemd = lines().filter(|line| line.controllers == "name=systemd");
    let paths = || unified.clone().chain(systemd.clone()).map(|line| line.path);
    paths()
        .find_map(container)
        .or_else(|| lines().find_map(|line| container(line.path)))
        .or_else(|| paths().find_map(managed))
        .or_else(|| lines().find_map(|line| openrc(line)))
        .map(|name| sanitize(&name).into_owned())
}

/// A line of the file.
#[derive(Clone, Copy)]
struct Line<'a> {
    hierarchy: &'a str,
    controllers: &'a str,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (hierarchy, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        Some(Self { hierarchy, controllers, path })
    }
}

/// The innermost container in a path.
fn container(path: &str) -> Option<String> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    (0..parts.len()).rev().find_map(|at| {
        let (before, rest) = parts.split_at_checked(at)?;
        contained(rest.first()?, before)
    })
}

/// What one component of a path, after others, says of a container.
fn contained(part: &str, before: &[&str]) -> Option<String> {
    let parent = before.last().copied().unwrap_or_default();
    // A scope of systemd, a slice of it (`SLICE:PREFIX:ID`), or the bare id.
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let name = name.rsplit_once(':').map_or(name, |(_, id)| id);
    let prefix = part.split(':').rev().nth(1);
    if let Some((runtime, id)) = split_id(name) {
        let runtime = if runtime.is_empty() { prefix.unwrap_or_default() } else { runtime };
        if runtime.ends_with("conmon") {
            // Who watches over a container is not in it.
            return None;
        }
        let in_pod = before.iter().any(|part| part.contains("kubepods"));
        let runtime = match runtime {
            _ if in_pod => "k8s",
            "libpod" => "podman",
            "crio" => "cri-o",
            "cri-containerd" => "containerd",
            "" => match parent {
                "docker" | "lxc" | "containerd" | "libpod_parent" => parent,
                _ if before.contains(&"docker") => "docker",
                _ if before.contains(&"ecs") => "ecs",
                _ => "container",
            },
            other => other,
        };
        return Some(format!("{runtime}:{}", id.get(..SHORT)?));
    }
    let named =
        |runtime: &str, name: &str| (!name.is_empty()).then(|| format!("{runtime}:{}", unescape(name)));
    if let Some(name) = part.strip_prefix("lxc.payload.").or_else(|| part.strip_prefix("lxc.payload/")) {
        return named("lxc", name);
    }
    if parent == "lxc" || parent == "lxc.payload" {
        return named("lxc", part);
    }
    if let Some(name) = part.strip_prefix("systemd-nspawn@").and_then(|name| name.strip_suffix(".service")) {
        return named("nspawn", name);
    }
    if let Some(name) = part.strip_prefix("machine-").and_then(|name| name.strip_suffix(".scope")) {
        return named("machine", name);
    }
    None
}

/// A component that is, or ends in, the id of a container: what stands before it, and the id.
fn split_id(name: &str) -> Option<(&str, &str)> {
    let at = name.len().checked_sub(ID)?;
    let (before, id) = name.split_at_checked(at)?;
    let hex = id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let apart = before.is_empty() || before.ends_with('-');
    (hex && apart).then(|| (before.trim_end_matches('-'), id))
}

/// The innermost service, scope or socket of systemd, else the slice.
fn managed(path: &str) -> Option<String> {
    let parts = || path.split('/').rev();
    let unit = |part: &&str| {
        [".service", ".scope", ".socket", ".mount", ".swap"].iter().any(|kind| part.ends_with(kind))
    };
    let found = parts().find(unit).or_else(|| parts().find(|part| part.ends_with(".slice")))?;
    match found.strip_suffix(".scope").and_then(split_id) {
        // The id of what is watched is too long for anybody to read.
        Some((before, id)) => Some(format!("{before}:{}", id.get(..SHORT)?)),
        None => Some(found.to_owned()),
    }
}

/// A service of OpenRC.
fn openrc(line: Line<'_>) -> Option<String> {
    let name = match (line.controllers, line.path.strip_prefix('/')?) {
        ("name=openrc", name) => name,
        ("", name) => name.strip_prefix("openrc.")?,
        _ => return None,
    };
    let name = name.split('/').next().filter(|name| !name.is_empty())?;
    Some(name.to_owned())
}

/// `\x2d` of systemd's names back to `-`, where it stands for a character that is seen.
fn unescape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        out.push_str(before);
        let byte = after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        rest = match byte.filter(u8::is_ascii_graphic) {
            Some(byte) => {
                out.push(char::from(byte));
                after.get(2..).unwrap_or_default()
            }
            None => {
                out.push_str("\\x");
                after
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID64: &str = "3f1cba6b5d0c4a0d8e3cbb2a5e7f9d1c2b3a4f5e6d7c8b9a0f1e2d3c4b5a6978";

    #[track_caller]
    fn check(cgroup: &str, expected: &str) {
        let text = cgroup.replace("<id>", ID64);
        let found = unit(&text).unwrap_or_default();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn of_real_machines() {
        for (cgroup, expected) in [
            // None.
            ("0::/\n", ""),
            ("", ""),
            ("9:name=systemd:/\n8:pids:/\n4:memory:/\n0::/\n", ""),
            // systemd, unified.
            ("0::/init.scope\n", "init.scope"),
            ("0::/system.slice/nginx.service\n", "nginx.service"),
            ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"),
            (
                "0::/system.slice/system-postgresql.slice/postgresql@16-main.service\n",
                "postgresql@16-main.service",
            ),
            ("0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"),
            ("0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "init.scope"),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox-4711.scope\n",
                "app-firefox-4711.scope",
            ),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/pipewire.service\n",
                "pipewire.service",
            ),
            ("0::/system.slice/snap.lxd.daemon.service\n", "snap.lxd.daemon.service"),
            ("0::/system.slice/ssh.service/sub/deep\n", "ssh.service"),
            ("0::/custom.slice\n", "custom.slice"),
            // systemd, both versions at once.
            (
                "4:memory:/system.slice/cron.service\n1:name=systemd:/system.slice/cron.service\n0::/\n",
                "cron.service",
            ),
            (
                "1:name=systemd:/user.slice/user-0.slice/session-1.scope\n0::/user.slice/user-0.slice/session-1.scope\n",
                "session-1.scope",
            ),
            // Docker: both versions, both drivers, built, in docker.
            ("0::/system.slice/docker-<id>.scope\n", "docker:3f1cba6b5d0c"),
            ("0::/docker/<id>\n", "docker:3f1cba6b5d0c"),
            (
                "12:cpuset:/docker/<id>\n11:memory:/docker/<id>\n1:name=systemd:/docker/<id>\n0::/system.slice/containerd.service\n",
                "docker:3f1cba6b5d0c",
            ),
            ("0::/system.slice/docker-<id>.scope/init\n", "docker:3f1cba6b5d0c"),
            (
                "0::/docker/<id>/docker/0000ba6b5d0c4a0d8e3cbb2a5e7f9d1c2b3a4f5e6d7c8b9a0f1e2d3c4b5a6978\n",
                "docker:0000ba6b5d0c",
            ),
            ("0::/docker/buildx/<id>\n", "docker:3f1cba6b5d0c"),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-<id>.scope\n",
                "docker:3f1cba6b5d0c",
            ),
            ("0::/../docker-<id>.scope\n", "docker:3f1cba6b5d0c"),
            ("0::/system.slice/docker.service\n", "docker.service"),
            // podman, with and without root, in a pod, and who watches over it.
            ("0::/machine.slice/libpod-<id>.scope/container\n", "podman:3f1cba6b5d0c"),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container\n",
                "podman:3f1cba6b5d0c",
            ),
            ("0::/machine.slice/machine-libpod_pod_<id>.slice/libpod-<id>.scope\n", "podman:3f1cba6b5d0c"),
            ("0::/libpod_parent/libpod-<id>\n", "podman:3f1cba6b5d0c"),
            ("0::/machine.slice/libpod-conmon-<id>.scope\n", "libpod-conmon:3f1cba6b5d0c"),
            // Kubernetes: containerd, cri-o, docker; both drivers.
            (
                "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1f2e_3d.slice/cri-containerd-<id>.scope\n",
                "k8s:3f1cba6b5d0c",
            ),
            ("0::/kubepods.slice/kubepods-pod1f2e_3d.slice/crio-<id>.scope\n", "k8s:3f1cba6b5d0c"),
            ("0::/kubepods/burstable/pod0c9a1b2c-3d4e-5f60-7182-93a4b5c6d7e8/<id>\n", "k8s:3f1cba6b5d0c"),
            (
                "11:memory:/kubepods/besteffort/pod0c9a/<id>\n1:name=systemd:/kubepods/besteffort/pod0c9a/<id>\n",
                "k8s:3f1cba6b5d0c",
            ),
            (
                "0::/system.slice/containerd.service/kubepods-burstable-pod1f2e_3d.slice:cri-containerd:<id>\n",
                "containerd:3f1cba6b5d0c",
            ),
            ("0::/system.slice/kubelet.service\n", "kubelet.service"),
            // containerd alone, ECS.
            ("0::/system.slice/nerdctl-<id>.scope\n", "nerdctl:3f1cba6b5d0c"),
            ("0::/ecs/0123456789abcdef0123456789abcdef/<id>\n", "ecs:3f1cba6b5d0c"),
            ("0::/default/<id>\n", "container:3f1cba6b5d0c"),
            // LXC, LXD, Proxmox, nspawn, machines.
            ("0::/lxc.payload.web\n", "lxc:web"),
            ("0::/lxc.payload.web/system.slice/nginx.service\n", "lxc:web"),
            ("0::/lxc/101/ns/system.slice/postfix.service\n", "lxc:101"),
            ("11:memory:/lxc/old\n1:name=systemd:/lxc/old\n", "lxc:old"),
            (
                "0::/machine.slice/systemd-nspawn@mail.service/payload/system.slice/dovecot.service\n",
                "nspawn:mail",
            ),
            ("0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator\n", "machine:qemu-1-vm"),
            // OpenRC.
            ("1:name=openrc:/sshd\n", "sshd"),
            ("0::/openrc.dnsmasq\n", "dnsmasq"),
            // Hostile and broken.
            ("0::/system.slice/\u{1b}[31mevil.service\n", "\\x1b[31mevil.service"),
            ("nonsense\n::\n0\n", ""),
            ("0::/docker-3f1cba.scope\n", "docker-3f1cba.scope"),
            ("0::/docker/éééééééééééééééééééééééééééééééééééééééé\n", ""),
            ("0::/lxc.payload.\n", ""),
            ("0::/lxc/\\x1b[2J\\xzz\n", "lxc:\\x1b[2J\\xzz"),
        ] {
            check(cgroup, expected);
        }
    }
}
