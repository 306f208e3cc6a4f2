//! The committed schema is the generated one, and whatever the decoder accepts, the schema accepts.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use conntop_proto::codec::{Message, Validate, decode_line, encode_line};
use conntop_proto::flow::MAX_SAFE_INTEGER;
use conntop_proto::message::{ClientMessage, ServerMessage};
use conntop_proto::schema;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

#[test]
fn committed_schemas_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schema");
    for (name, schema) in [("server", schema::server()), ("client", schema::client())] {
        let path = folder.join(format!("conntop-v1.{name}.json"));
        let generated = format!("{schema:#}\n");
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "docs/schema/conntop-v1.{name}.json is not what the types say; mend it with\n    \
             cargo run -p conntop-proto --example schema"
        );
    }
}

#[test]
fn the_schemas_are_valid_and_bounded() {
    for schema in [schema::server(), schema::client()] {
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        bounded(&schema, "");
    }
}

/// Every array, string and integer has an upper bound, every object is closed.
fn bounded(schema: &Value, path: &str) {
    let Value::Object(object) = schema else {
        if let Value::Array(several) = schema {
            several.iter().enumerate().for_each(|(i, s)| bounded(s, &format!("{path}/{i}")));
        }
        return;
    };
    let is = |name: &str| match object.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.contains(&json!(name)),
        _ => false,
    };
    for (kind, bounds) in [
        ("array", &["maxItems"][..]),
        ("string", &["maxLength", "const", "enum"]),
        ("integer", &["maximum"]),
        ("object", &["additionalProperties"]),
    ] {
        assert!(
            !is(kind) || bounds.iter().any(|b| object.contains_key(*b)),
            "{path}: {kind} without {bounds:?}"
        );
    }
    object.iter().for_each(|(key, value)| bounded(value, &format!("{path}/{key}")));
}

#[test]
fn errors_show_the_path_and_not_the_message() {
    for (message, expected) in [
        (
            json!({"ping": {"nonce": -1}}),
            "against the JSON Schema at /ping/nonce: value is less than the minimum of 0",
        ),
        (
            json!({"hello": {"protocol": 1, "client": "x".repeat(1025), "name": ""}}),
            "against the JSON Schema at /hello/client: value is longer than 1024 characters",
        ),
        (
            json!({"subscribe": {"filter": {"ports": [1, 65_536]}}}),
            "against the JSON Schema at /subscribe/filter/ports/1: value is greater than the maximum of 65535",
        ),
    ] {
        assert_eq!(schema::validate_client(&message).unwrap_err().to_string(), expected, "{message}");
    }
}

/// What happens to one node of a message.
#[derive(Clone, Debug)]
enum Damage {
    /// It becomes something else.
    Replace(Value),
    /// It loses its first member or last element, or becomes null.
    Shrink,
    /// An object becomes the array of its values, which serde takes for a struct unless told not to;
    /// a string becomes the tag of an object, which serde takes for a variant unless told not to.
    Disguise,
}

fn damaged(mut message: Value, at: &[Index], with: Damage) -> Value {
    match (with, node_of(&mut message, at)) {
        (Damage::Replace(value), node) => *node = value,
        (Damage::Shrink, Value::Object(o)) => {
            let first = o.keys().next().cloned();
            first.and_then(|key| o.remove(&key));
        }
        (Damage::Shrink, Value::Array(a)) => drop(a.pop()),
        (Damage::Disguise, Value::Object(o)) => {
            let values = std::mem::take(o).into_iter().map(|(_, value)| value).collect();
            *node_of(&mut message, at) = Value::Array(values);
        }
        (Damage::Disguise, Value::String(s)) => {
            let tag = std::mem::take(s);
            *node_of(&mut message, at) = json!({ tag: null });
        }
        (Damage::Shrink | Damage::Disguise, node) => *node = Value::Null,
    }
    message
}

/// The node that the indices lead to, as far as there is one.
fn node_of<'a>(message: &'a mut Value, at: &[Index]) -> &'a mut Value {
    let mut node = message;
    for index in at {
        let len = match node {
            Value::Array(a) => a.len(),
            Value::Object(o) => o.len(),
            _ => 0,
        };
        if len == 0 {
            break;
        }
        let i = index.index(len);
        node = match node {
            Value::Array(a) => a.get_mut(i).unwrap(),
            Value::Object(o) => o.values_mut().nth(i).unwrap(),
            _ => unreachable!("it has a length"),
        };
    }
    node
}

fn damage() -> impl Strategy<Value = Damage> {
    let replace = select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(255),
        json!(256),
        json!(65_535),
        json!(65_536),
        json!(4_294_967_295_u64),
        json!(4_294_967_296_u64),
        json!(MAX_SAFE_INTEGER),
        json!(MAX_SAFE_INTEGER + 1),
        json!(-1),
        json!(1.0),
        json!(""),
        json!("zstd"),
        json!("state"),
        json!("established"),
        json!("10.0.0.1"),
        json!("10.0.0.01"),
        json!("::ffff:10.0.0.1"),
        json!("fe80::1%eth0"),
        json!("1::2::3"),
        json!("0123456789abcdef0123456789abcdef"),
        json!("0123456789ABCDEF0123456789ABCDEF"),
        json!("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"),
        json!("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF"),
        json!("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0"),
        json!([]),
        json!([0, 0]),
        json!([1, 2]),
        json!(["::1"]),
        json!([null]),
        json!({}),
        json!({"row": [0], "bits": []}),
        json!({"id": [1]}),
    ]);
    prop_oneof![3 => replace.prop_map(Damage::Replace), 1 => Just(Damage::Shrink), 2 => Just(Damage::Disguise)]
}

fn check_within<M: Message + std::fmt::Debug>(value: &Value) {
    let line = value.to_string();
    if let Ok(message) = decode_line::<M>(line.as_bytes(), Validate::Control) {
        M::validate(value).unwrap_or_else(|e| panic!("decoded, but {e}\n{line}"));
        let mut again = Vec::new();
        encode_line(&message, &mut again).unwrap();
        let again: Value = serde_json::from_slice(&again).unwrap();
        M::validate(&again).unwrap_or_else(|e| panic!("encoded, but {e}\n{again}"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_servers_decoder_is_within_the_schema(
        message in support::server_message(),
        at in proptest::collection::vec(any::<Index>(), 1..8),
        with in damage(),
    ) {
        let whole = serde_json::to_value(&message).unwrap();
        prop_assert_eq!(schema::validate_server(&whole), Ok(()));
        check_within::<ServerMessage>(&damaged(whole, &at, with));
    }

    #[test]
    fn a_clients_decoder_is_within_the_schema(
        message in support::client_message(),
        at in proptest::collection::vec(any::<Index>(), 1..6),
        with in damage(),
    ) {
        let whole = serde_json::to_value(&message).unwrap();
        prop_assert_eq!(schema::validate_client(&whole), Ok(()));
        check_within::<ClientMessage>(&damaged(whole, &at, with));
    }
}
