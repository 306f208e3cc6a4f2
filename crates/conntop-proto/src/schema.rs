//! The JSON Schema (draft 2020-12) of both directions, generated from the message types, and
//! validation against it. What the types do not say is added here: every array, string and integer
//! is bounded by the protocol's limits, and addresses are IPv4 or IPv6.

use std::sync::OnceLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, ValidationError, Validator};
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use crate::flow::MAX_SAFE_INTEGER;
use crate::limits::{MAX_ARRAY, MAX_STRING};
use crate::message::{ClientMessage, ServerMessage};
use crate::text::sanitize;

/// A message that does not fit its schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("against the JSON Schema at {path}: {what}")]
pub struct SchemaError {
    /// JSON pointer of the part that does not fit, `/` for the whole.
    pub path: String,
    /// Why, without that part.
    pub what: String,
}

/// Schema of everything that a server sends.
#[must_use]
pub fn server() -> Value {
    generate::<ServerMessage>("conntop-v1.server", "Messages of a conntop server, protocol version 1")
}

/// Schema of everything that a client sends.
#[must_use]
pub fn client() -> Value {
    generate::<ClientMessage>("conntop-v1.client", "Messages of a conntop client, protocol version 1")
}

/// Holds a message of a server against the schema.
///
/// # Errors
/// When it does not fit.
pub fn validate_server(message: &Value) -> Result<(), SchemaError> {
    static COMPILED: OnceLock<Result<Validator, SchemaError>> = OnceLock::new();
    check(COMPILED.get_or_init(|| compile(&server())), message)
}

/// Holds a message of a client against the schema.
///
/// # Errors
/// When it does not fit.
pub fn validate_client(message: &Value) -> Result<(), SchemaError> {
    static COMPILED: OnceLock<Result<Validator, SchemaError>> = OnceLock::new();
    check(COMPILED.get_or_init(|| compile(&client())), message)
}

fn compile(schema: &Value) -> Result<Validator, SchemaError> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(schema)
        .map_err(|e| SchemaError { path: "schema".to_owned(), what: e.to_string() })
}

fn check(validator: &Result<Validator, SchemaError>, message: &Value) -> Result<(), SchemaError> {
    let validator = validator.as_ref().map_err(Clone::clone)?;
    validator.validate(message).map_err(|e| report(&e))
}

/// Names the innermost fault: the messages are alternatives, and the one whose tag fits is meant.
fn report(error: &ValidationError<'_>) -> SchemaError {
    if let ValidationErrorKind::OneOfNotValid { context } | ValidationErrorKind::AnyOf { context } =
        error.kind()
    {
        let depth = |e: &ValidationError<'_>| e.instance_path().as_str().matches('/').count();
        let deepest = context.iter().flatten().max_by_key(|e| depth(e));
        if let Some(inner) = deepest.filter(|e| depth(e) > depth(error)) {
            return report(inner);
        }
    }
    let path = error.instance_path().as_str();
    let path = if path.is_empty() { "/" } else { path };
    SchemaError {
        path: sanitize(path).into_owned(),
        what: sanitize(&error.masked().to_string()).into_owned(),
    }
}

fn generate<T: JsonSchema>(id: &str, title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize().with_transform(Bounds);
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("$id".to_owned(), json!(format!("urn:conntop:schema:{id}")));
    schema.insert("title".to_owned(), json!(title));
    Value::from(schema)
}

/// Puts the protocol's limits where the types leave a value unbounded.
#[derive(Clone, Debug)]
struct Bounds;

impl Transform for Bounds {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut() {
            bound(object);
        }
    }
}

fn bound(schema: &mut Map<String, Value>) {
    let is = |schema: &Map<String, Value>, name: &str| match schema.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|t| t == name),
        _ => false,
    };
    if is(schema, "array") {
        schema.entry("maxItems").or_insert(json!(MAX_ARRAY));
    }
    if is(schema, "string") && !schema.contains_key("enum") && !schema.contains_key("const") {
        schema.entry("maxLength").or_insert(json!(MAX_STRING));
        if schema.get("format") == Some(&json!("ip")) {
            schema.remove("format");
            schema.insert("anyOf".to_owned(), json!([{ "format": "ipv4" }, { "format": "ipv6" }]));
        }
    }
    if is(schema, "integer") {
        let most = match schema.remove("format").as_ref().and_then(Value::as_str) {
            Some("uint8") => u64::from(u8::MAX),
            Some("uint16") => u64::from(u16::MAX),
            Some("uint32") => u64::from(u32::MAX),
            _ => MAX_SAFE_INTEGER,
        };
        schema.entry("minimum").or_insert(json!(0));
        schema.entry("maximum").or_insert(json!(most));
    }
}
