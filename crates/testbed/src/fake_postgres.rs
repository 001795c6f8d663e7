//! A program that listens where a Postgres server should be, and means no good.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::error::{Error, Result};

/// The most that one connection is ever sent: a client that takes so much has no limit of its own.
const SENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The most that is remembered of what one connection has sent.
const HEARD_BYTES_MAX: usize = 64 * 1024;

/// How a [`FakePostgres`] treats everybody who connects. TLS is declined in each case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It takes the connection and says nothing.
    Silent,
    /// It lets everybody in, gives so many answers, and then is silent.
    SilentAfter(usize),
    /// It lets everybody in, and says that it has this version (`server_version_num`).
    OfVersion(&'static str),
    /// It lets everybody in, and answers a query that contains one of these texts with the row beside it.
    Answering(&'static [(&'static str, &'static [Answer])]),
    /// It sends an empty message of this kind before it asks for anything.
    OutOfPlace(u8),
    /// It asks for the password in cleartext.
    Cleartext,
    /// It asks for the MD5 hash of the password.
    Md5,
    /// It asks for GSSAPI.
    Gss,
    /// It begins SCRAM and never comes to an end.
    EndlessSasl,
    /// It begins SCRAM and demands so many rounds of hashing.
    CostlySasl(u32),
    /// It announces a message of 2 GiB before it asks for anything, and sends it.
    HugeMessage,
    /// It lets everybody in and sends notices without end.
    EndlessNotices,
    /// It lets everybody in and sends settings without end.
    EndlessSettings,
    /// It answers every command with notices without end.
    EndlessAnswer,
    /// It lets everybody in, and announces a row of 2 GiB as the answer to the first query, and sends it.
    HugeAnswer,
    /// It refuses everybody with this text.
    Refusal(&'static str),
}

/// Value in a row of [`Manner::Answering`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of type `text`.
    Text(&'static str),
    /// Of type `boolean`.
    Bool(bool),
}

/// What happened on one connection.
#[derive(Clone, Debug, Default)]
pub struct Met {
    /// What the client has sent, from its beginning.
    pub heard: Vec<u8>,
    /// How many bytes it was sent, as far as the system took them.
    pub sent_bytes: usize,
}

/// A port on 127.0.0.1 that treats everybody the same. Dropping it closes the port and all connections.
#[derive(Debug)]
pub struct FakePostgres {
    port: u16,
    met: Arc<Mutex<Vec<Met>>>,
    _accepting: JoinSet<()>,
}

impl FakePostgres {
    /// Opens the port.
    ///
    /// # Errors
    /// When no port can be opened.
    pub async fn start(manner: Manner) -> Result<FakePostgres> {
        let failed = |source| Error::Process {
            action: "open a port for",
            program: "the fake postgres".to_owned(),
            source,
        };
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let met = Arc::default();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, manner, Arc::clone(&met)));
        Ok(FakePostgres {
            port,
            met,
            _accepting: accepting,
        })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happened on each connection, in the order in which they came.
    pub fn met(&self) -> Vec<Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, manner: Manner, met: Arc<Mutex<Vec<Met>>>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let number = {
            let mut met = met.lock().unwrap_or_else(PoisonError::into_inner);
            met.push(Met::default());
            met.len() - 1
        };
        let mut peer = Peer {
            stream,
            met: Arc::clone(&met),
            number,
        };
        connections.spawn(async move {
            if let Err(error) = peer.serve(manner).await {
                tracing::trace!(%error, "a client of the fake postgres left");
            }
        });
    }
}

/// One connection.
struct Peer {
    stream: TcpStream,
    met: Arc<Mutex<Vec<Met>>>,
    number: usize,
}

/// Request of a client.
struct Request {
    /// Whether it is a simple query.
    is_simple: bool,
    content: Vec<u8>,
}

impl Request {
    fn contains(&self, part: &str) -> bool {
        let mut windows = self.content.windows(part.len());
        windows.any(|window| window == part.as_bytes())
    }
}

const SSL_REQUEST: u32 = 80_877_103;

/// Version of a fake that has no other.
const VERSION: &str = "170006";

/// Row of a query that has no other.
const OTHER_ROW: &[Answer] = &[Answer::Text(VERSION)];

impl Peer {
    async fn serve(&mut self, manner: Manner) -> io::Result<()> {
        if manner == Manner::Silent {
            return self.listen().await;
        }
        loop {
            let length = self.read_u32().await?;
            let code = self.read_u32().await?;
            self.read(usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(8))
                .await?;
            if code != SSL_REQUEST {
                break;
            }
            self.send(b"N").await?;
        }
        match manner {
            Manner::Silent => {}
            Manner::SilentAfter(answers) => {
                self.let_in().await?;
                for _ in 0..answers {
                    let request = self.request().await?;
                    self.send(&answer(&request, OTHER_ROW)).await?;
                }
            }
            Manner::OfVersion(version) => {
                self.let_in().await?;
                loop {
                    let request = self.request().await?;
                    self.send(&answer(&request, &[Answer::Text(version)])).await?;
                }
            }
            Manner::Answering(rows) => {
                self.let_in().await?;
                loop {
                    let request = self.request().await?;
                    let row = rows.iter().find(|(part, _)| request.contains(part));
                    let row = row.map_or(OTHER_ROW, |(_, row)| *row);
                    self.send(&answer(&request, row)).await?;
                }
            }
            Manner::OutOfPlace(tag) => self.send(&message(tag, &[])).await?,
            Manner::Cleartext => self.send(&message(b'R', &[&3_u32.to_be_bytes()])).await?,
            Manner::Md5 => {
                let request = message(b'R', &[&5_u32.to_be_bytes(), b"salt"]);
                self.send(&request).await?;
            }
            Manner::Gss => self.send(&message(b'R', &[&7_u32.to_be_bytes()])).await?,
            Manner::EndlessSasl => {
                let challenge = self.begin_sasl(4096).await?;
                self.flood(&challenge).await?;
            }
            Manner::CostlySasl(rounds) => {
                let challenge = self.begin_sasl(rounds).await?;
                self.send(&challenge).await?;
            }
            Manner::HugeMessage => {
                self.send(&[b'E', 0x7f, 0xff, 0xff, 0xff]).await?;
                self.flood(&[b'x'; 4096]).await?;
            }
            Manner::EndlessNotices => {
                self.send(&authenticated()).await?;
                self.flood(&notice()).await?;
            }
            Manner::EndlessSettings => {
                self.send(&authenticated()).await?;
                self.flood(&message(b'S', &[b"application_name\0walcast\0"]))
                    .await?;
            }
            Manner::EndlessAnswer => {
                self.let_in().await?;
                self.request().await?;
                self.flood(&notice()).await?;
            }
            Manner::HugeAnswer => {
                self.let_in().await?;
                self.request().await?;
                self.send(&[b'D', 0x7f, 0xff, 0xff, 0xff]).await?;
                self.flood(&[b'x'; 4096]).await?;
            }
            Manner::Refusal(text) => {
                let refusal = message(b'E', &[b"SFATAL\0C28000\0M", text.as_bytes(), b"\0\0"]);
                self.send(&refusal).await?;
            }
        }
        self.listen().await
    }

    async fn let_in(&mut self) -> io::Result<()> {
        self.send(&authenticated()).await?;
        self.send(&message(b'Z', &[b"I"])).await
    }

    /// Offers SCRAM and returns the challenge to what the client answers.
    async fn begin_sasl(&mut self, rounds: u32) -> io::Result<Vec<u8>> {
        let offer = message(b'R', &[&10_u32.to_be_bytes(), b"SCRAM-SHA-256\0\0"]);
        self.send(&offer).await?;
        let (_, first) = self.message().await?;
        let first = String::from_utf8_lossy(&first).into_owned();
        let nonce = first.rsplit("r=").next().unwrap_or_default();
        let challenge = format!("r={nonce}more,s=c2FsdHNhbHQ=,i={rounds}");
        Ok(message(b'R', &[&11_u32.to_be_bytes(), challenge.as_bytes()]))
    }

    /// Waits for the end of a request, which is a simple query or `Sync`.
    async fn request(&mut self) -> io::Result<Request> {
        let mut content = Vec::new();
        loop {
            let (tag, body) = self.message().await?;
            content.extend(body);
            if matches!(tag, b'Q' | b'S') {
                return Ok(Request {
                    is_simple: tag == b'Q',
                    content,
                });
            }
        }
    }

    async fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let tag = self.read(1).await?;
        let length = self.read_u32().await?;
        let body = self
            .read(usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(4))
            .await?;
        Ok((tag.first().copied().unwrap_or_default(), body))
    }

    async fn read_u32(&mut self) -> io::Result<u32> {
        let bytes = self.read(4).await?;
        Ok(bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    async fn read(&mut self, count: usize) -> io::Result<Vec<u8>> {
        if count > HEARD_BYTES_MAX {
            return Err(io::Error::other("the client sends more than a client should"));
        }
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).await?;
        self.note(|met| met.heard.extend_from_slice(&bytes));
        Ok(bytes)
    }

    /// Remembers whatever is sent until the client leaves.
    async fn listen(&mut self) -> io::Result<()> {
        let mut bytes = [0; 4096];
        loop {
            let count = self.stream.read(&mut bytes).await?;
            if count == 0 {
                return Ok(());
            }
            self.note(|met| {
                if met.heard.len() < HEARD_BYTES_MAX {
                    met.heard
                        .extend_from_slice(bytes.get(..count).unwrap_or_default());
                }
            });
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.note(|met| met.sent_bytes += bytes.len());
        Ok(())
    }

    /// Sends the same until the client leaves or has taken far too much.
    async fn flood(&mut self, bytes: &[u8]) -> io::Result<()> {
        let many = bytes.repeat(4096 / bytes.len().max(1) + 1);
        for _ in 0..SENT_BYTES_MAX / many.len() {
            self.send(&many).await?;
        }
        Ok(())
    }

    fn note(&self, change: impl FnOnce(&mut Met)) {
        let mut met = self.met.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(met) = met.get_mut(self.number) {
            change(met);
        }
    }
}

fn message(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [&[tag][..], &length.to_be_bytes(), &body].concat()
}

fn authenticated() -> Vec<u8> {
    message(b'R', &[&0_u32.to_be_bytes()])
}

fn notice() -> Vec<u8> {
    message(b'N', &[b"SNOTICE\0C00000\0Magain\0\0"])
}

impl Answer {
    /// Description of its column.
    fn column(self) -> Vec<u8> {
        let type_oid: u32 = match self {
            Answer::Text(_) => 25,
            Answer::Bool(_) => 16,
        };
        // Table and column, none; the type; its size and modifier, none; in text form.
        [
            &b"version\0"[..],
            &[0; 6],
            &type_oid.to_be_bytes(),
            &[0xff; 6],
            &[0; 2],
        ]
        .concat()
    }

    fn value(self) -> Vec<u8> {
        let bytes = match self {
            Answer::Text(text) => text.as_bytes().to_vec(),
            Answer::Bool(value) => vec![u8::from(value)],
        };
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes()[..], &bytes].concat()
    }
}

/// To a simple query that it was done; to any other one row. Mostly it is a version, which is the first thing a client asks for.
fn answer(request: &Request, row: &[Answer]) -> Vec<u8> {
    let end = [message(b'C', &[b"SELECT 1\0"]), message(b'Z', &[b"I"])].concat();
    if request.is_simple {
        return end;
    }
    let count = u16::try_from(row.len()).unwrap_or(u16::MAX).to_be_bytes();
    let columns: Vec<u8> = row.iter().flat_map(|answer| answer.column()).collect();
    let values: Vec<u8> = row.iter().flat_map(|answer| answer.value()).collect();
    [
        message(b'1', &[]),
        message(b'2', &[]),
        message(b'T', &[&count, &columns]),
        message(b'D', &[&count, &values]),
        end,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_of_good_faith_is_let_in_and_answered() {
        let fake = FakePostgres::start(Manner::SilentAfter(1)).await.unwrap();
        let url = format!("postgres://walcast@127.0.0.1:{}/shop", fake.port());
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
            .await
            .unwrap();
        let _connection = tokio::spawn(connection);
        let row = client.query_typed_one("SELECT version", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0), "170006");
        let met = fake.met();
        assert_eq!(met.len(), 1);
        assert!(met[0].heard.windows(7).any(|bytes| bytes == b"walcast"));
    }

    #[tokio::test]
    async fn a_client_without_limits_is_sent_far_too_much_and_no_more() {
        let fake = FakePostgres::start(Manner::HugeMessage).await.unwrap();
        let mut stream = TcpStream::connect(("127.0.0.1", fake.port())).await.unwrap();
        stream.write_all(&[0, 0, 0, 8, 0, 3, 0, 0]).await.unwrap();
        let mut taken = vec![0; SENT_BYTES_MAX / 2];
        stream.read_exact(&mut taken).await.unwrap();
        assert!(fake.met()[0].sent_bytes <= SENT_BYTES_MAX);
    }
}
