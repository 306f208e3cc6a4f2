//! Writes the JSON Schemas into the folder that is given, `docs/schema` by default.

use std::path::PathBuf;

use conntop_proto::schema;

fn main() -> std::io::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("docs/schema"), PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for (name, schema) in [("server", schema::server()), ("client", schema::client())] {
        std::fs::write(folder.join(format!("conntop-v1.{name}.json")), format!("{schema:#}\n"))?;
    }
    Ok(())
}
