//! A recording as a source. It is read as fast as the front end takes it, and trusted no more than
//! a server.

use conntop_proto::codec::{LineDecoder, Validate};
use conntop_proto::message::ServerMessage;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::mpsc;

use super::{Messages, Source, SourceEnd, SourceError, SourceErrorKind, SourceEvent};

/// Bytes of one read.
const READ: usize = 64 * 1024;

/// Starts to read a recording. Must be called within a tokio runtime.
#[must_use]
pub fn replay(recording: impl AsyncRead + Send + Unpin + 'static, validate: Validate) -> Source {
    let (source, events, requests) = Source::pair();
    tokio::spawn(async move {
        let end = match read(recording, validate, &events).await {
            Ok(()) => SourceEnd::Finished,
            Err(error) => SourceEnd::Failed(error),
        };
        let _gone = events.send(SourceEvent::Ended(end)).await;
        drop(requests);
    });
    source
}

async fn read(
    mut recording: impl AsyncRead + Unpin,
    validate: Validate,
    events: &mpsc::Sender<SourceEvent>,
) -> Result<(), SourceError> {
    let mut decoder = LineDecoder::<ServerMessage>::new(validate);
    let mut buffer = vec![0; READ];
    let mut begun = false;
    loop {
        let n = recording.read(&mut buffer).await.map_err(|e| failed(SourceErrorKind::Other, &e))?;
        if n == 0 {
            return decoder.finish().map_err(|e| failed(SourceErrorKind::Protocol, &e));
        }
        decoder.push(buffer.get(..n).unwrap_or_default());
        while let Some(message) = decoder.next() {
            let event = match message.map_err(|e| failed(SourceErrorKind::Protocol, &e))? {
                ServerMessage::Hello(hello) => SourceEvent::Connected(hello),
                _ if !begun => {
                    return Err(failed(SourceErrorKind::Protocol, &"it does not begin with a hello"));
                }
                message => SourceEvent::Messages(Messages::new([message])),
            };
            begun = true;
            if events.send(event).await.is_err() {
                return Ok(());
            }
        }
    }
}

fn failed(kind: SourceErrorKind, error: &dyn std::fmt::Display) -> SourceError {
    SourceError { kind, text: format!("recording: {error}") }
}
