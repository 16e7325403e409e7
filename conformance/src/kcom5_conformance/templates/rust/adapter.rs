// An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.
//
// Replace the bodies of the three functions below by calls of your implementation. What stands there is a naive KCOM5
// that conforms in fair weather only: without timeouts, limits, and errors by name.
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::io::{self, BufRead, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};

type Outcome<T> = Result<T, Box<dyn Error>>;

// --------------------------------------------------------------------- replace this by calls of your implementation

fn about() -> &'static str {
    // Add pack, unix, port-zero, limits and file to supports when you answer them: only what is listed is asked for.
    r#"{"name":"mine","version":"0","language":"rust","supports":["send","receive","tcp4","tcp6"]}"#
}

/// Sends to one client. Where `port` and `close` are None, your defaults hold. Calls `listening` when it listens, with
/// the port, which the system has chosen if `port` is 0. A `Failure` names the error; any other error is `error`.
fn send(
    via: &str,
    port: Option<i64>,
    _close: Option<i64>,
    message: &[u8],
    data: &[u8],
    listening: fn(u16),
) -> Outcome<()> {
    let listener = TcpListener::bind(loopback(via, port)?)?;
    listening(listener.local_addr()?.port());
    let (mut connection, _) = listener.accept()?;
    drop(listener);
    let hello = read(&mut connection, 8)?;
    if !hello.starts_with(b"KCOM5") {
        return Err(Failure::new("invalid-connection", "no hello"));
    }
    connection.write_all(&hello)?;
    connection.write_all(&u32::try_from(message.len())?.to_le_bytes())?;
    connection.write_all(message)?;
    connection.write_all(&(data.len() as u64).to_le_bytes())?;
    connection.write_all(data)?;
    connection.shutdown(Shutdown::Write)?;
    io::copy(&mut connection, &mut io::sink())?; // until the client's end
    Ok(())
}

/// Returns the message and the data of one server.
fn receive(via: &str, port: Option<i64>, _close: Option<i64>) -> Outcome<(Vec<u8>, Vec<u8>)> {
    let mut connection = TcpStream::connect(loopback(via, port)?)?;
    let random = RandomState::new().build_hasher().finish().to_le_bytes();
    let hello = [b"KCOM5", &random[..3]].concat();
    connection.write_all(&hello)?;
    if read(&mut connection, 8)? != hello {
        return Err(Failure::new("invalid-connection", "no echo"));
    }
    let length = read(&mut connection, 4)?;
    let message = read(&mut connection, from_little_endian(&length))?;
    let length = read(&mut connection, 8)?;
    let data = read(&mut connection, from_little_endian(&length))?;
    Ok((message, data))
}

fn loopback(via: &str, port: Option<i64>) -> Outcome<SocketAddr> {
    let address = if via == "tcp6" { IpAddr::from(Ipv6Addr::LOCALHOST) } else { IpAddr::from(Ipv4Addr::LOCALHOST) };
    Ok(SocketAddr::new(address, u16::try_from(port.unwrap_or(13600))?))
}

fn read(connection: &mut TcpStream, size: u64) -> Outcome<Vec<u8>> {
    let mut octets = Vec::new();
    if connection.take(size).read_to_end(&mut octets)? as u64 != size {
        return Err(Failure::new("error", "the connection ended too early"));
    }
    Ok(octets)
}

fn from_little_endian(octets: &[u8]) -> u64 {
    octets.iter().rev().fold(0, |value, octet| value << 8 | u64::from(*octet))
}

// ------------------------------------------------------------------------- the adapter: nothing to do from here on

/// The name is one of the spec's table, or `error` if your implementation does not tell.
#[derive(Debug)]
struct Failure {
    name: &'static str,
    detail: &'static str,
}

impl Failure {
    #[allow(clippy::new_ret_no_self)]
    fn new(name: &'static str, detail: &'static str) -> Box<dyn Error> {
        Box::new(Failure { name, detail })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for Failure {}

/// Reads a request as a map of paths, such as data.hex, to values: the text of a number, the octets of a string.
struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    request: HashMap<String, Vec<u8>>,
}

impl Reader<'_> {
    fn peek(&mut self) -> Outcome<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied().ok_or_else(|| "this is no request".into())
    }

    fn take(&mut self) -> Outcome<u8> {
        self.at += 1;
        self.text.get(self.at - 1).copied().ok_or_else(|| "this is no request".into())
    }

    fn expect(&mut self, sign: u8) -> Outcome<()> {
        if self.peek()? != sign {
            return Err("this is no request".into());
        }
        self.at += 1;
        Ok(())
    }

    fn unit(&mut self) -> Outcome<u32> {
        let digits = self.text.get(self.at..self.at + 4).ok_or("this is no request")?;
        self.at += 4;
        Ok(u32::from_str_radix(std::str::from_utf8(digits)?, 16)?)
    }

    fn string(&mut self) -> Outcome<Vec<u8>> {
        let mut value = Vec::new();
        self.expect(b'"')?;
        loop {
            match self.take()? {
                b'"' => return Ok(value),
                b'\\' => match self.take()? {
                    b'b' => value.push(8),
                    b'f' => value.push(12),
                    b'n' => value.push(b'\n'),
                    b'r' => value.push(b'\r'),
                    b't' => value.push(b'\t'),
                    b'u' => {
                        let mut code = self.unit()?;
                        if code >> 10 == 0x36 && self.text[self.at..].starts_with(b"\\u") {
                            self.at += 2; // two halves
                            code = 0x10000 + ((code & 0x3ff) << 10) + (self.unit()? & 0x3ff);
                        }
                        let sign = char::from_u32(code).ok_or("half a character")?;
                        value.extend(sign.to_string().as_bytes());
                    }
                    other => value.push(other),
                },
                other => value.push(other),
            }
        }
    }

    fn object(&mut self, prefix: &str) -> Outcome<()> {
        self.expect(b'{')?;
        while self.peek()? != b'}' {
            if self.peek()? == b',' {
                self.at += 1;
            }
            let path = format!("{prefix}{}", String::from_utf8(self.string()?)?);
            self.expect(b':')?;
            match self.peek()? {
                b'{' => self.object(&format!("{path}."))?,
                b'"' => {
                    let value = self.string()?;
                    self.request.insert(path, value);
                }
                _ => {
                    let start = self.at;
                    while !b",} \t\r\n".contains(&self.peek()?) {
                        self.at += 1;
                    }
                    self.request.insert(path, self.text[start..self.at].to_vec());
                }
            }
        }
        self.at += 1;
        Ok(())
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn octets_of(digits: &str) -> Outcome<Vec<u8>> {
    (0..digits.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&digits[at..at + 2], 16)?)).collect()
}

fn filled(size: usize, fill: &str) -> Outcome<Vec<u8>> {
    match fill {
        "counter251" => Ok((0..size).map(|i| (i % 251) as u8).collect()),
        _ => Ok(vec![u8::from_str_radix(fill, 16)?; size]),
    }
}

fn quoted(text: &str) -> String {
    let signs = text.chars().map(|sign| match sign {
        '"' | '\\' | '\0'..='\x1f' => format!("\\u{:04x}", sign as u32),
        _ => sign.to_string(),
    });
    format!("\"{}\"", signs.collect::<String>())
}

/// FIPS 180-4.
fn sha256(data: &[u8]) -> [u8; 32] {
    #[rustfmt::skip]
    const CONSTANTS: [u32; 64] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ];
    let mut state: [u32; 8] =
        [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
    let mut tail = data[data.len() / 64 * 64..].to_vec();
    tail.push(0x80);
    while tail.len() % 64 != 56 {
        tail.push(0);
    }
    tail.extend((data.len() as u64 * 8).to_be_bytes());
    for block in data.chunks_exact(64).chain(tail.chunks_exact(64)) {
        let mut w = [0u32; 64];
        for (word, octets) in w.iter_mut().zip(block.chunks_exact(4)) {
            *word = octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
        }
        for i in 16..64 {
            let (a, b) = (w[i - 15], w[i - 2]);
            w[i] = w[i - 16]
                .wrapping_add(a.rotate_right(7) ^ a.rotate_right(18) ^ a >> 3)
                .wrapping_add(w[i - 7])
                .wrapping_add(b.rotate_right(17) ^ b.rotate_right(19) ^ b >> 10);
        }
        let mut s = state;
        for i in 0..64 {
            let one = s[7]
                .wrapping_add(s[4].rotate_right(6) ^ s[4].rotate_right(11) ^ s[4].rotate_right(25))
                .wrapping_add((s[4] & s[5]) ^ (!s[4] & s[6]))
                .wrapping_add(CONSTANTS[i])
                .wrapping_add(w[i]);
            let two = (s[0].rotate_right(2) ^ s[0].rotate_right(13) ^ s[0].rotate_right(22))
                .wrapping_add((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
            s.rotate_right(1);
            s[4] = s[4].wrapping_add(one);
            s[0] = one.wrapping_add(two);
        }
        for (word, more) in state.iter_mut().zip(s) {
            *word = word.wrapping_add(more);
        }
    }
    let mut digest = [0; 32];
    for (octets, word) in digest.chunks_exact_mut(4).zip(state) {
        octets.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

fn say(line: &str) {
    println!("{line}"); // standard output flushes at each line
}

fn answer(line: &str) -> Outcome<String> {
    let mut reader = Reader { text: line.as_bytes(), at: 0, request: HashMap::new() };
    reader.object("")?;
    let request = reader.request;
    let octets = |path: &str| request.get(path).cloned().unwrap_or_default();
    let text = |path: &str| String::from_utf8(octets(path));
    let number = |path: &str| request.get(path).and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    let (op, via) = (text("op")?, text("via")?);
    if op == "about" {
        return Ok(about().into());
    }
    if !["send", "receive"].contains(&op.as_str()) || !about().contains(&quoted(&via)) {
        return Ok(r#"{"unsupported":true}"#.into());
    }
    if op == "send" {
        let made = |path: &str| match (number(&format!("{path}.size")), request.get(&format!("{path}.hex"))) {
            (Some(size), _) => filled(size as usize, &text(&format!("{path}.fill"))?),
            (None, Some(digits)) => octets_of(std::str::from_utf8(digits)?),
            (None, None) => Ok(octets(path)),
        };
        let (message, data) = (made("message")?, made("data")?);
        let listening = |port| say(&format!("{{\"listening\":{port}}}"));
        send(&via, number("port"), number("close"), &message, &data, listening)?;
        return Ok(r#"{"ok":true}"#.into());
    }
    let (message, data) = receive(&via, number("port"), number("close"))?;
    let digits = if data.len() <= 4096 { format!(",\"hex\":\"{}\"", hex(&data)) } else { String::new() };
    Ok(format!(
        "{{\"ok\":true,\"message\":{},\"data\":{{\"size\":{},\"sha256\":\"{}\"{digits}}}}}",
        quoted(&String::from_utf8_lossy(&message)),
        data.len(),
        hex(&sha256(&data))
    ))
}

fn main() -> Outcome<()> {
    for line in io::stdin().lock().lines() {
        say(&answer(&line?).unwrap_or_else(|error| {
            let name = error.downcast_ref::<Failure>().map_or("error", |failure| failure.name);
            format!("{{\"error\":\"{name}\",\"detail\":{}}}", quoted(&error.to_string()))
        }));
    }
    Ok(())
}
