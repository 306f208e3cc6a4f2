//! Reads what a server sends, uncompressed, from standard input and holds all of it against the
//! protocol: `nc 127.0.0.1 55555 < hello.json | cargo run -p conntop-proto --example check`.

use std::io::Read as _;
use std::process::ExitCode;

use conntop_proto::codec::{LineDecoder, Validate};
use conntop_proto::message::ServerMessage;

fn main() -> std::io::Result<ExitCode> {
    let mut decoder = LineDecoder::<ServerMessage>::new(Validate::All);
    let mut input = std::io::stdin().lock();
    let mut buffer = vec![0; 16 * 1024];
    let (mut messages, mut rows) = (0_u64, 0);
    loop {
        let n = input.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        decoder.push(buffer.get(..n).unwrap_or_default());
        while let Some(message) = decoder.next() {
            let checked = match &message {
                Ok(ServerMessage::Delta(delta)) => delta.rows().map(|r| r.len()).map_err(|e| e.to_string()),
                Ok(_) => Ok(0),
                Err(error) => Err(error.to_string()),
            };
            match checked {
                Ok(n) => rows += n,
                Err(error) => {
                    eprintln!("message {}: {error}", messages + 1);
                    return Ok(ExitCode::FAILURE);
                }
            }
            messages += 1;
        }
    }
    if let Err(error) = decoder.finish() {
        eprintln!("after message {messages}: {error}");
        return Ok(ExitCode::FAILURE);
    }
    println!("{messages} messages and {rows} rows, all as they should be");
    Ok(ExitCode::SUCCESS)
}
