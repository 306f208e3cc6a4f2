//! A recording shows the same wherever it is opened: nothing of the machine is mixed in. The recording
//! here has the addresses and ports of a connection that exists on this machine at that moment.

use std::net::{TcpListener, TcpStream};
use std::process::Command;

use super::{OFFICE, text};

/// The office with a flow of its router that looks like this machine's.
fn recording(port: u16, server: u16) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in OFFICE.lines() {
        lines.push(line.to_owned());
        if line.starts_with("{\"synced\"") {
            break;
        }
    }
    let flow = format!(
        r#"{{"delta":{{"cursor":2,"at":1036801000,"pass":{{"number":2,"lag":4,"took":2}},"new":{{"id":[900],"identity":{{"proto":[6],"src":["127.0.0.1"],"dst":["127.0.0.1"],"sport":[{port}],"dport":[{server}],"age":[10]}},"state":{{"state":["established"],"status":[14]}},"traffic":{{"orig_packets":[1],"orig_bytes":[60],"reply_packets":[1],"reply_bytes":[60]}}}}}}}}"#
    );
    lines.push(flow);
    lines.join("\n") + "\n"
}

#[test]
fn nothing_of_this_machine_is_mixed_in() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let client = TcpStream::connect(server).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("office.ndjson");
    std::fs::write(&path, recording(client.local_addr().unwrap().port(), server.port())).unwrap();
    let columns = "proto,state,dir,src,sport,dst,dport,service,process,pid,user,unit,age,down,up,bytes";
    let list = |around: &[&str], more: &[&str]| {
        let mut command = match around.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(env!("CARGO_BIN_EXE_conntop"));
                command
            }
            None => Command::new(env!("CARGO_BIN_EXE_conntop")),
        };
        command.args(["list", "-o", "csv", "--columns", columns, "--replay"]).arg(&path).args(more);
        command.env("NO_COLOR", "1").env("CONNTOP_NO_GEOIP", "true").env("TZ", "UTC");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let here = list(&[], &[]);
    let own = here.lines().find(|line| line.contains("127.0.0.1")).expect("the flow");
    assert!(own.contains(r#","","","","","","","","#), "it has no process: {own}");
    let pid = std::process::id().to_string();
    assert!(!own.split(',').any(|cell| cell == pid), "{own}");
    // The hosts file of this machine knows it; whoever recorded it has told nothing.
    assert_eq!(list(&[], &["-f", "host localhost"]).lines().count(), 1, "only the heading");
    // Another machine: no addresses, another time zone, nobody's configuration.
    let other = directory.path().to_str().unwrap();
    let home = format!("XDG_CONFIG_HOME={other}");
    assert_eq!(list(&["env", "-u", "HOME", "TZ=Asia/Tokyo", &home], &[]), here);
    let apart = Command::new("unshare").args(["--net", "--uts", "true"]).output();
    if apart.is_ok_and(|output| output.status.success()) {
        assert_eq!(list(&["unshare", "--net", "--uts"], &[]), here);
    }
}
