// An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.
//
// Replace the bodies of the three methods below by calls of your implementation. What stands there is a naive KCOM5
// that conforms in fair weather only: without timeouts, limits, and errors by name.

import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.IntConsumer;

public class Adapter {
  // ------------------------------------------------------------------- replace this by calls of your implementation

  static String about() {
    // Add pack, unix, port-zero, limits and file to supports when you answer them: only what is listed is asked for.
    return """
        {"name":"mine","version":"0","language":"java","supports":["send","receive","tcp4","tcp6"]}""";
  }

  /**
   * Sends to one client. Where port and close are null, your defaults hold. Calls listening when it listens, with the
   * port, which the system has chosen if port is 0. Throws a Failure, or any other exception.
   */
  static void send(String via, Long port, Long close, byte[] message, byte[] data, IntConsumer listening)
      throws IOException {
    Socket connection;
    try (var listener = new ServerSocket(number(port), 1, loopback(via))) {
      listening.accept(listener.getLocalPort());
      connection = listener.accept();
    }
    try (connection) {
      var hello = read(connection.getInputStream(), 8);
      if (!new String(hello, 0, 5, StandardCharsets.ISO_8859_1).equals("KCOM5")) {
        throw new Failure("invalid-connection", "the hello is " + HexFormat.of().formatHex(hello));
      }
      var head = ByteBuffer.allocate(20 + message.length).order(ByteOrder.LITTLE_ENDIAN);
      head.put(hello).putInt(message.length).put(message).putLong(data.length);
      connection.getOutputStream().write(head.array());
      connection.getOutputStream().write(data);
      connection.shutdownOutput();
      connection.getInputStream().transferTo(OutputStream.nullOutputStream()); // until the client's end
    }
  }

  record Received(String message, byte[] data) {}

  /** Returns the message and the data of one server. Throws a Failure, or any other exception. */
  static Received receive(String via, Long port, Long close) throws IOException {
    try (var connection = new Socket(loopback(via), number(port))) {
      var in = connection.getInputStream();
      var hello = "KCOM5...".getBytes(StandardCharsets.US_ASCII);
      var nonce = new byte[3];
      new SecureRandom().nextBytes(nonce);
      System.arraycopy(nonce, 0, hello, 5, 3);
      connection.getOutputStream().write(hello);
      var echo = read(in, 8);
      if (!Arrays.equals(hello, echo)) {
        throw new Failure("invalid-connection", "the echo is " + HexFormat.of().formatHex(echo));
      }
      var length = Integer.toUnsignedLong(ByteBuffer.wrap(read(in, 4)).order(ByteOrder.LITTLE_ENDIAN).getInt());
      var message = new String(read(in, length), StandardCharsets.UTF_8);
      return new Received(message, read(in, ByteBuffer.wrap(read(in, 8)).order(ByteOrder.LITTLE_ENDIAN).getLong()));
    }
  }

  static int number(Long port) {
    return port == null ? 13600 : Math.toIntExact(port);
  }

  static InetAddress loopback(String via) throws IOException {
    return InetAddress.getByName(via.equals("tcp6") ? "::1" : "127.0.0.1");
  }

  static byte[] read(InputStream in, long size) throws IOException {
    var octets = new ByteArrayOutputStream();
    while (octets.size() != size) {
      var missing = size - octets.size();
      var piece = in.readNBytes(missing < 0 || missing > 65536 ? 65536 : (int) missing);
      if (piece.length == 0) {
        throw new EOFException("the connection ended too early");
      }
      octets.write(piece);
    }
    return octets.toByteArray();
  }

  // ----------------------------------------------------------------------- the adapter: nothing to do from here on

  /** The name is one of the spec's table, or "error" if your implementation does not tell. */
  static class Failure extends RuntimeException {
    final String name;

    Failure(String name, String detail) {
      super(detail);
      this.name = name;
    }
  }

  /** Reads a request as a map of paths, such as data.hex, to values: the text of a number or of a string. */
  static class Reader {
    final String text;
    final Map<String, String> request = new HashMap<>();
    int at = 0;

    Reader(String text) {
      this.text = text;
    }

    char peek() {
      while (" \t\r\n".indexOf(text.charAt(at)) >= 0) {
        at++;
      }
      return text.charAt(at);
    }

    void expect(char sign) {
      if (peek() != sign) {
        throw new IllegalArgumentException("this is no request");
      }
      at++;
    }

    String string() {
      var value = new StringBuilder();
      expect('"');
      for (char next = text.charAt(at++); next != '"'; next = text.charAt(at++)) {
        if (next != '\\') {
          value.append(next);
          continue;
        }
        next = text.charAt(at++);
        if (next == 'u') {
          value.append((char) Integer.parseInt(text.substring(at, at + 4), 16));
          at += 4;
        } else {
          var known = "bfnrt".indexOf(next);
          value.append(known < 0 ? next : "\b\f\n\r\t".charAt(known));
        }
      }
      return value.toString();
    }

    Map<String, String> object(String prefix) {
      expect('{');
      while (peek() != '}') {
        if (peek() == ',') {
          at++;
        }
        var path = prefix + string();
        expect(':');
        if (peek() == '{') {
          object(path + ".");
        } else if (peek() == '"') {
          request.put(path, string());
        } else {
          var start = at;
          while (",} \t\r\n".indexOf(text.charAt(at)) < 0) {
            at++;
          }
          request.put(path, text.substring(start, at));
        }
      }
      at++;
      return request;
    }
  }

  static String quoted(String text) {
    var line = new StringBuilder("\"");
    for (char sign : text.toCharArray()) {
      var plain = sign >= ' ' && sign != '"' && sign != '\\' && sign < 127;
      line.append(plain ? String.valueOf(sign) : String.format("\\u%04x", (int) sign));
    }
    return line + "\"";
  }

  static byte[] octets(Map<String, String> request, String key) {
    if (request.containsKey(key + ".hex")) {
      return HexFormat.of().parseHex(request.get(key + ".hex"));
    }
    if (!request.containsKey(key + ".size")) {
      return request.getOrDefault(key, "").getBytes(StandardCharsets.UTF_8);
    }
    var fill = request.get(key + ".fill");
    var octets = new byte[Integer.parseInt(request.get(key + ".size"))];
    var isCounter = fill.equals("counter251");
    var value = isCounter ? 0 : Integer.parseInt(fill, 16);
    for (int i = 0; i < octets.length; i++) {
      octets[i] = (byte) (isCounter ? i % 251 : value);
    }
    return octets;
  }

  static Long number(Map<String, String> request, String path) {
    return request.containsKey(path) ? Long.valueOf(request.get(path)) : null;
  }

  static String answer(Map<String, String> request, PrintStream out) throws Exception {
    var op = request.get("op");
    var via = request.getOrDefault("via", "");
    if (op.equals("about")) {
      return about();
    }
    if (!List.of("send", "receive").contains(op) || !about().contains("\"" + via + "\"")) {
      return "{\"unsupported\":true}";
    }
    var port = number(request, "port");
    var close = number(request, "close");
    if (op.equals("send")) {
      if (request.containsKey("message.size") && number(request, "message.size") > Integer.MAX_VALUE) {
        return "{\"unsupported\":true}"; // no array is so large
      }
      var message = octets(request, "message");
      send(via, port, close, message, octets(request, "data"), chosen -> out.print("{\"listening\":" + chosen + "}\n"));
      return "{\"ok\":true}";
    }
    var received = receive(via, port, close);
    var size = received.data().length;
    var digest = MessageDigest.getInstance("SHA-256").digest(received.data());
    var hex = size <= 4096 ? ",\"hex\":\"" + HexFormat.of().formatHex(received.data()) + "\"" : "";
    return "{\"ok\":true,\"message\":%s,\"data\":{\"size\":%d,\"sha256\":\"%s\"%s}}"
        .formatted(quoted(received.message()), size, HexFormat.of().formatHex(digest), hex);
  }

  public static void main(String[] arguments) throws IOException {
    var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    var out = new PrintStream(System.out, true, StandardCharsets.UTF_8); // flushes at each line end
    for (var line = lines.readLine(); line != null; line = lines.readLine()) {
      String result;
      try {
        result = answer(new Reader(line).object(""), out);
      } catch (Failure failure) {
        result = "{\"error\":\"" + failure.name + "\",\"detail\":" + quoted(failure.getMessage()) + "}";
      } catch (Exception | OutOfMemoryError error) {
        result = "{\"error\":\"error\",\"detail\":" + quoted(error.toString()) + "}";
      }
      out.print(result + "\n");
    }
  }
}
