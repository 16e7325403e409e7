/* An adapter for kcom5-conformance: it puts your implementation of KCOM5 on the end of two pipes.

   Replace the bodies of the three functions below by calls of your implementation. What stands there is a naive KCOM5
   that conforms in fair weather only: without timeouts, limits, and errors by name. */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  uint8_t *at;
  size_t size;
} Octets;

static char detail[200];
static const char *failure(const char *name, const char *format, ...);

/* -------------------------------------------------------------------- replace this by calls of your implementation */

static int read_octets(int fd, uint64_t size, Octets *octets);
static int write_octets(int fd, const void *octets, size_t size);
static int open_socket(const char *via, const long long *port, struct sockaddr_storage *address, socklen_t *length);
static uint64_t from_little_endian(Octets octets);

static const char *about(void) {
  /* Add pack, unix, port-zero, limits and file to supports when you answer them: only what is listed is asked for. */
  return "{\"name\":\"mine\",\"version\":\"0\",\"language\":\"c\","
         "\"supports\":[\"send\",\"receive\",\"tcp4\",\"tcp6\"]}";
}

/* Sends to one client. Where port and close are NULL, your defaults hold. Calls listening when it listens, with the
   port, which the system has chosen if *port is 0. Returns NULL, or the failure's name: one of the spec's table, or
   "error" if your implementation does not tell. */
static const char *kcom5_send(const char *via, const long long *port, const long long *close_after, Octets message,
                              Octets data, void (*listening)(int port)) {
  struct sockaddr_storage address;
  socklen_t length;
  const char *result = NULL;
  int yes = 1, listener = open_socket(via, port, &address, &length);
  (void)close_after;
  if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
      bind(listener, (struct sockaddr *)&address, length) != 0 || listen(listener, 1) != 0 ||
      getsockname(listener, (struct sockaddr *)&address, &length) != 0) {
    result = failure("error", "cannot listen: %s", strerror(errno));
    if (listener >= 0) close(listener);
    return result;
  }
  /* sin_port and sin6_port are at the same place. */
  listening(ntohs(((struct sockaddr_in *)&address)->sin_port));
  int connection = accept(listener, NULL, NULL);
  close(listener);
  if (connection < 0) return failure("error", "accept: %s", strerror(errno));
  Octets hello = {NULL, 0};
  uint8_t lengths[12], rest[4096];
  for (int i = 0; i < 4; i++) lengths[i] = (uint8_t)(message.size >> 8 * i);
  for (int i = 0; i < 8; i++) lengths[4 + i] = (uint8_t)((uint64_t)data.size >> 8 * i);
  if (!read_octets(connection, 8, &hello) || memcmp(hello.at, "KCOM5", 5) != 0)
    result = failure("invalid-connection", "no hello");
  else if (!write_octets(connection, hello.at, 8) || !write_octets(connection, lengths, 4) ||
           !write_octets(connection, message.at, message.size) || !write_octets(connection, lengths + 4, 8) ||
           !write_octets(connection, data.at, data.size))
    result = failure("error", "send: %s", strerror(errno));
  else {
    ssize_t got;
    shutdown(connection, SHUT_WR);
    while ((got = recv(connection, rest, sizeof rest, 0)) > 0) { /* until the client's end */
    }
    if (got < 0) result = failure("error", "recv: %s", strerror(errno));
  }
  free(hello.at);
  close(connection);
  return result;
}

/* Gives the message and the data of one server, to be freed. Returns NULL, or the failure's name. */
static const char *kcom5_receive(const char *via, const long long *port, const long long *close_after, Octets *message,
                                 Octets *data) {
  struct sockaddr_storage address;
  socklen_t length;
  const char *result = NULL;
  int connection = open_socket(via, port, &address, &length);
  (void)close_after;
  if (connection < 0 || connect(connection, (struct sockaddr *)&address, length) != 0) {
    result = failure("error", "connect: %s", strerror(errno));
    if (connection >= 0) close(connection);
    return result;
  }
  uint8_t hello[8] = "KCOM5";
  FILE *random = fopen("/dev/urandom", "rb");
  if (random == NULL || fread(hello + 5, 1, 3, random) != 3) perror("/dev/urandom");
  if (random != NULL) fclose(random);
  Octets echo = {NULL, 0}, message_length = {NULL, 0}, data_length = {NULL, 0};
  if (!write_octets(connection, hello, 8) || !read_octets(connection, 8, &echo) || memcmp(hello, echo.at, 8) != 0)
    result = failure("invalid-connection", "no echo");
  else if (!read_octets(connection, 4, &message_length) ||
           !read_octets(connection, from_little_endian(message_length), message) ||
           !read_octets(connection, 8, &data_length) || !read_octets(connection, from_little_endian(data_length), data))
    result = failure("error", "the connection ended too early");
  free(echo.at);
  free(message_length.at);
  free(data_length.at);
  close(connection);
  return result;
}

static int open_socket(const char *via, const long long *port, struct sockaddr_storage *address, socklen_t *length) {
  uint16_t number = htons((uint16_t)(port == NULL ? 13600 : *port));
  memset(address, 0, sizeof *address);
  if (strcmp(via, "tcp6") == 0) {
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    six->sin6_family = AF_INET6;
    six->sin6_addr = in6addr_loopback;
    six->sin6_port = number;
    *length = sizeof *six;
    return socket(AF_INET6, SOCK_STREAM, 0);
  }
  struct sockaddr_in *four = (struct sockaddr_in *)address;
  four->sin_family = AF_INET;
  four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  four->sin_port = number;
  *length = sizeof *four;
  return socket(AF_INET, SOCK_STREAM, 0);
}

static int read_octets(int fd, uint64_t size, Octets *octets) {
  size_t room = 0;
  while (octets->size < size) {
    if (octets->size == room) { /* grows with what has arrived */
      room = room == 0 ? 65536 : room * 2;
      uint8_t *grown = realloc(octets->at, room);
      if (grown == NULL) return 0;
      octets->at = grown;
    }
    uint64_t missing = size - octets->size;
    ssize_t got = recv(fd, octets->at + octets->size, missing < room - octets->size ? missing : room - octets->size, 0);
    if (got <= 0) return 0;
    octets->size += (size_t)got;
  }
  return 1;
}

static int write_octets(int fd, const void *octets, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = send(fd, (const uint8_t *)octets + done, size - done, 0);
    if (got < 0) return 0;
    done += (size_t)got;
  }
  return 1;
}

static uint64_t from_little_endian(Octets octets) {
  uint64_t value = 0;
  for (size_t i = octets.size; i-- > 0;) value = value << 8 | octets.at[i];
  return value;
}

/* ------------------------------------------------------------------------ the adapter: nothing to do from here on */

static const char *failure(const char *name, const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(detail, sizeof detail, format, values);
  va_end(values);
  return name;
}

static void *checked(void *memory) {
  if (memory == NULL) {
    fputs("adapter: out of memory\n", stderr);
    exit(1);
  }
  return memory;
}

/* A request as pairs of a path, such as data.hex, and a value: the text of a number, the octets of a string. */
typedef struct {
  char path[32];
  Octets value; /* followed by a NUL */
} Pair;

static Pair pairs[16];
static int pair_count;

static _Noreturn void bad_request(void) {
  fputs("adapter: this is no request\n", stderr);
  exit(1);
}

static const char *skip(const char *text) { return text + strspn(text, " \t\r\n"); }

static uint8_t *put_utf8(uint8_t *out, unsigned long code) {
  if (code < 0x80) return *out++ = (uint8_t)code, out;
  int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
  *out++ = (uint8_t)((more == 1 ? 0xc0 : more == 2 ? 0xe0 : 0xf0) | code >> 6 * more);
  while (more-- > 0) *out++ = (uint8_t)(0x80 | (code >> 6 * more & 0x3f));
  return out;
}

static unsigned long hex_unit(const char *text) {
  char digits[5] = "";
  memcpy(digits, text, strnlen(text, 4));
  return strtoul(digits, NULL, 16);
}

static const char *read_string(const char *text, Octets *value) {
  if (*text++ != '"') bad_request();
  uint8_t *out = value->at = checked(malloc(strlen(text) + 1));
  for (; *text != '"'; text++) {
    if (*text == 0) bad_request();
    if (*text != '\\') {
      *out++ = (uint8_t)*text;
      continue;
    }
    const char *names = "bfnrt", *values = "\b\f\n\r\t", *known;
    if (*++text == 0) bad_request();
    if (*text == 'u') {
      if (strnlen(text, 5) < 5) bad_request();
      unsigned long code = hex_unit(text + 1);
      text += 4;
      if (code >> 10 == 0x36 && text[1] == '\\' && text[2] == 'u' && strnlen(text, 7) == 7) { /* two halves */
        code = 0x10000 + ((code & 0x3ff) << 10) + (hex_unit(text + 3) & 0x3ff);
        text += 6;
      }
      out = put_utf8(out, code);
    } else
      *out++ = (uint8_t)((known = strchr(names, *text)) != NULL ? values[known - names] : *text);
  }
  value->size = (size_t)(out - value->at);
  *out = 0;
  return text + 1;
}

static const char *read_object(const char *text, const char *prefix) {
  if (*text++ != '{') bad_request();
  for (text = skip(text); *text != '}'; text = skip(text)) {
    if (*text == ',') text = skip(text + 1);
    Octets key;
    text = skip(read_string(text, &key));
    if (*text++ != ':' || pair_count == sizeof pairs / sizeof *pairs) bad_request();
    text = skip(text);
    char path[sizeof pairs->path];
    snprintf(path, sizeof path, "%s%s", prefix, (char *)key.at);
    free(key.at);
    if (*text == '{') {
      char inner[sizeof path + 1];
      snprintf(inner, sizeof inner, "%s.", path);
      text = read_object(text, inner);
      continue;
    }
    Pair *pair = &pairs[pair_count++];
    strcpy(pair->path, path);
    if (*text == '"') {
      text = read_string(text, &pair->value);
    } else {
      size_t size = strcspn(text, ",} \t\r\n");
      pair->value.at = checked(calloc(size + 1, 1));
      pair->value.size = size;
      memcpy(pair->value.at, text, size);
      text += size;
    }
  }
  return text + 1;
}

static const Octets *find(const char *path) {
  for (int i = 0; i < pair_count; i++)
    if (strcmp(pairs[i].path, path) == 0) return &pairs[i].value;
  return NULL;
}

static const char *text_of(const char *path) {
  const Octets *found = find(path);
  return found == NULL ? "" : (const char *)found->at;
}

static const long long *number_of(const char *path, long long *room) {
  const Octets *found = find(path);
  if (found == NULL) return NULL;
  *room = strtoll((const char *)found->at, NULL, 10);
  return room;
}

static Octets octets_of(const char *hex) {
  Octets octets = {checked(malloc(strlen(hex) / 2 + 1)), strlen(hex) / 2};
  for (size_t i = 0; i < octets.size; i++) {
    char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
    octets.at[i] = (uint8_t)strtoul(digits, NULL, 16);
  }
  return octets;
}

static Octets filled(size_t size, const char *fill) {
  Octets octets = {checked(calloc(size + 1, 1)), size}; /* zeros take no memory until they are looked at */
  if (strcmp(fill, "00") != 0) memset(octets.at, (int)strtoul(fill, NULL, 16), size);
  if (strcmp(fill, "counter251") == 0)
    for (size_t i = 0; i < size; i++) octets.at[i] = (uint8_t)(i % 251);
  return octets;
}

/* What a key holds: a string, `hex`, or `size` and `fill`. */
static Octets octets_at(const char *key) {
  char size[16], fill[16], hex[16];
  snprintf(size, sizeof size, "%s.size", key);
  snprintf(fill, sizeof fill, "%s.fill", key);
  snprintf(hex, sizeof hex, "%s.hex", key);
  long long count;
  if (number_of(size, &count) != NULL) return filled((size_t)count, text_of(fill));
  const Octets *text = find(key);
  if (text == NULL) return octets_of(text_of(hex));
  Octets copy = {checked(malloc(text->size + 1)), text->size};
  memcpy(copy.at, text->at, text->size);
  return copy;
}

/* How many octets the UTF-8 character at the front has; 0 if it is none. */
static size_t character(const uint8_t *at, size_t size) {
  if (at[0] < 0x80) return 1;
  size_t whole = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
  if (at[0] < 0xc2 || at[0] > 0xf4 || whole > size) return 0;
  for (size_t i = 1; i < whole; i++)
    if ((at[i] & 0xc0) != 0x80) return 0;
  unsigned two = (unsigned)at[0] << 8 | at[1]; /* overlong, a surrogate, above U+10FFFF */
  if ((two >= 0xe080 && two < 0xe0a0) || (two >= 0xeda0 && two < 0xee00) || (two >= 0xf080 && two < 0xf090)) return 0;
  if (two >= 0xf490) return 0;
  return whole;
}

static void say_string(const uint8_t *at, size_t size) {
  putchar('"');
  for (size_t i = 0, whole; i < size; i += whole == 0 ? 1 : whole) {
    whole = character(at + i, size - i);
    if (whole == 0)
      fputs("\\ufffd", stdout);
    else if (at[i] < 0x20 || at[i] == '"' || at[i] == '\\')
      printf("\\u%04x", at[i]);
    else
      fwrite(at + i, 1, whole, stdout);
  }
  putchar('"');
}

static void say_hex(const uint8_t *at, size_t size) {
  putchar('"');
  for (size_t i = 0; i < size; i++) printf("%02x", at[i]);
  putchar('"');
}

static void end_line(void) {
  putchar('\n');
  fflush(stdout);
}

static void say_listening(int port) {
  printf("{\"listening\":%d}", port);
  end_line();
}

/* FIPS 180-4. */
static uint32_t turned(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void sha256_block(uint32_t state[8], const uint8_t *block) {
  static const uint32_t constants[64] = {
      0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
      0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
      0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
      0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
      0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
      0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
      0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
      0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
  uint32_t w[64], s[8];
  for (int i = 0; i < 16; i++, block += 4)
    w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 | block[3];
  for (int i = 16; i < 64; i++)
    w[i] = w[i - 16] + (turned(w[i - 15], 7) ^ turned(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 7] +
           (turned(w[i - 2], 17) ^ turned(w[i - 2], 19) ^ w[i - 2] >> 10);
  memcpy(s, state, sizeof s);
  for (int i = 0; i < 64; i++) {
    uint32_t one = s[7] + (turned(s[4], 6) ^ turned(s[4], 11) ^ turned(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) +
                   constants[i] + w[i];
    uint32_t two =
        (turned(s[0], 2) ^ turned(s[0], 13) ^ turned(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
    memmove(s + 1, s, 7 * sizeof *s);
    s[4] += one;
    s[0] = one + two;
  }
  for (int i = 0; i < 8; i++) state[i] += s[i];
}

static void sha256(Octets data, uint8_t digest[32]) {
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  size_t done = 0, rest;
  for (; data.size - done >= 64; done += 64) sha256_block(state, data.at + done);
  uint8_t tail[128] = {0};
  if ((rest = data.size - done) > 0) memcpy(tail, data.at + done, rest);
  tail[rest] = 0x80;
  size_t end = rest < 56 ? 64 : 128;
  for (int i = 0; i < 8; i++) tail[end - 1 - (size_t)i] = (uint8_t)((uint64_t)data.size * 8 >> 8 * i);
  for (size_t at = 0; at < end; at += 64) sha256_block(state, tail + at);
  for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
}

static const char *answer_send(const char *via, const long long *port, const long long *close_after) {
  Octets message = octets_at("message"), data = octets_at("data");
  const char *name = kcom5_send(via, port, close_after, message, data, say_listening);
  free(message.at);
  free(data.at);
  if (name == NULL) fputs("{\"ok\":true}", stdout);
  return name;
}

static const char *answer_receive(const char *via, const long long *port, const long long *close_after) {
  Octets message = {NULL, 0}, data = {NULL, 0};
  const char *name = kcom5_receive(via, port, close_after, &message, &data);
  if (name == NULL) {
    uint8_t digest[32];
    sha256(data, digest);
    fputs("{\"ok\":true,\"message\":", stdout);
    say_string(message.at, message.size);
    printf(",\"data\":{\"size\":%zu,\"sha256\":", data.size);
    say_hex(digest, sizeof digest);
    if (data.size <= 4096) {
      fputs(",\"hex\":", stdout);
      say_hex(data.at, data.size);
    }
    fputs("}}", stdout);
  }
  free(message.at);
  free(data.at);
  return name;
}

static void answer(void) {
  const char *op = text_of("op"), *via = text_of("via"), *name = NULL;
  char quoted[16];
  snprintf(quoted, sizeof quoted, "\"%s\"", via);
  int sends = strcmp(op, "send") == 0;
  if (strcmp(op, "about") == 0) {
    fputs(about(), stdout);
  } else if ((!sends && strcmp(op, "receive") != 0) || strstr(about(), quoted) == NULL) {
    fputs("{\"unsupported\":true}", stdout);
  } else {
    long long port, close_after;
    name = (sends ? answer_send : answer_receive)(via, number_of("port", &port), number_of("close", &close_after));
  }
  if (name != NULL) {
    printf("{\"error\":\"%s\",\"detail\":", name);
    say_string((const uint8_t *)detail, strlen(detail));
    putchar('}');
  }
  end_line();
}

int main(void) {
  char *line = NULL;
  size_t room = 0;
  signal(SIGPIPE, SIG_IGN);
  while (getline(&line, &room, stdin) > 0) {
    pair_count = 0;
    read_object(skip(line), "");
    answer();
    for (int i = 0; i < pair_count; i++) free(pairs[i].value.at);
  }
  free(line);
  return 0;
}
