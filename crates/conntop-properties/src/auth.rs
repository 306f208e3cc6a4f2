//! The stage before a session, where a stranger has nothing but bytes: whatever they are and however they
//! are split, they end in a refusal or wait within the limit. A right proof passes, one with any other bit
//! does not, and what follows a right one is left to the session.

use conntop_proto::auth::{Exchange, Role, Token};
use conntop_proto::codec::{Validate, decode_line, encode_line};
use conntop_proto::message::{Bye, ClientMessage, ClientProof, Hex32, ServerMessage};
use conntopd::auth::{PROOF_BYTES, Stage, Step};

const BINDING: [u8; 32] = [7; 32];

pub(crate) fn check(mut bytes: &[u8]) {
    let token: Token = "5a".repeat(32).parse().expect("a token");
    let cuts = crate::take_cuts(&mut bytes);
    let whole = strangers(&token, &[bytes]);
    assert_eq!(strangers(&token, &crate::pieces(bytes, &cuts)), whole);
    proofs(&token, bytes);
}

/// How a stage answers these bytes; `None` while it waits for more.
fn strangers(token: &Token, pieces: &[&[u8]]) -> Option<Bye> {
    let mut stage = Stage::new(token.key(), BINDING).expect("random numbers");
    let mut taken = 0;
    for piece in pieces {
        let mut rest = *piece;
        match stage.take(&mut rest) {
            Step::More => assert_eq!(rest, b"", "a part of a line is left"),
            Step::Proven(_) => panic!("somebody without the token passes"),
            Step::Refused(bye) => {
                assert!(bye.text.len() < 4096, "{bye:?}");
                return Some(bye);
            }
        }
        taken += piece.len();
        assert!(taken <= PROOF_BYTES, "{taken} bytes without an answer");
        assert!(!piece.contains(&b'\n'), "a line without an answer");
    }
    None
}

/// A proof of somebody who knows the token, with some bits turned.
fn proofs(token: &Token, bytes: &[u8]) {
    let mut stage = Stage::new(token.key(), BINDING).expect("random numbers");
    let challenge = decode_line(&stage.challenge(), Validate::All).expect("a challenge");
    let ServerMessage::Challenge(challenge) = challenge else { panic!("{challenge:?}") };
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let client = Hex32(std::array::from_fn(byte));
    let exchange = Exchange { binding: BINDING, server: challenge.nonce, client };
    let mut mac = token.key().prove(Role::Client, &exchange);
    let turned: [u8; 32] = std::array::from_fn(|at| byte(at + 32) & byte(at + 64));
    mac.0.iter_mut().zip(turned).for_each(|(byte, turn)| *byte ^= turn);
    let proof = ClientProof { protocol: challenge.protocol, nonce: client, mac };
    let mut line = Vec::new();
    encode_line(&ClientMessage::Proof(proof), &mut line).expect("a proof fits a line");
    let behind = bytes.get(96..).unwrap_or_default();
    line.extend_from_slice(behind);
    let mut rest = &line[..];
    let step = stage.take(&mut rest);
    assert_eq!(rest, behind, "what belongs to the session");
    match step {
        Step::Proven(answer) => {
            assert_eq!(turned, [0; 32], "a wrong proof passes");
            let answer = decode_line(&answer, Validate::All).expect("a proof");
            let ServerMessage::Proof(proof) = answer else { panic!("{answer:?}") };
            assert!(token.key().holds(proof.mac, Role::Server, &exchange));
        }
        Step::Refused(bye) => assert_ne!(turned, [0; 32], "a right proof is refused: {bye:?}"),
        Step::More => panic!("a whole line does not suffice"),
    }
}
