/* The three functions that a parser of KCOM5 provides. The fuzz targets and the differential peer call nothing else,
 * and call from one thread. The names of errors and all rules are in spec/kcom5.md; fuzz/README.md shows how to link.
 */
#ifndef KCOM5_FUZZ_H
#define KCOM5_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each role has one parser at a time; a client and a server may be open together. The targets do not use KCOM5_PACK. */
enum kcom5_role { KCOM5_ADDRESS, KCOM5_CLIENT, KCOM5_SERVER, KCOM5_PACK };

/* The events of a parser. A client stores data at once when it arrives. */
enum kcom5_event {
  KCOM5_OCTETS,       /* bytes of the peer; an address: its text; pack: the port (8 bytes, little-endian) and the key */
  KCOM5_CONNECTED,    /* differential only */
  KCOM5_REFUSED,      /* differential only */
  KCOM5_SENT,         /* the system took all bytes to send */
  KCOM5_ACKNOWLEDGED, /* server: the client's system acknowledged all bytes */
  KCOM5_END,          /* the peer closed or half-closed */
  KCOM5_EARLY_END,    /* server: the same, before all bytes were acknowledged */
  KCOM5_RESET,
  KCOM5_TIMEOUT,
  KCOM5_FAILURE,   /* differential only */
  KCOM5_CANCEL,    /* differential only */
  KCOM5_WRONG_PEER /* differential only: the peer runs as another user */
};

struct kcom5_octets {
  const uint8_t *at; /* may be null if size is 0 */
  size_t size;
};

/* The settings of one exchange. */
struct kcom5_setting {
  uint8_t nonce[3];            /* client: of its hello */
  uint64_t message_limit;      /* client: `limit.over`; UINT64_MAX: the parser's default */
  uint64_t data_limit;         /* client: the same */
  struct kcom5_octets message; /* server: outlives the exchange */
  struct kcom5_octets data;    /* server: outlives the exchange. Differential: `at` is null; send nothing of it */
  int is_connecting;           /* differential: 1: KCOM5_CONNECTED has not happened yet */
};

/* The state of a parser. The differential reads all fields, the targets read the first six. */
struct kcom5_result {
  const char *error; /* the name of the failure, such as "truncated", or null */
  int done;          /* 1: the exchange succeeded, or the text is an address */
  uint64_t consumed; /* client, server: bytes of the peer up to the decision, the first wrong one included, but not
                        those thrown away. Not checked for an address */
  struct kcom5_octets sent;    /* client, server: everything given to the system to send, so far */
  struct kcom5_octets message; /* client, when done. Address, when done: packed again, from the port and the groups */
  struct kcom5_octets data;    /* client, when done. Address, when done: the 48 bytes of the key */
  const char *family;          /* of the failure, such as "protocol" */
  int port;                    /* address, when done */
  int has_half_closed;         /* server: whether it asked the system to half-close */
  int is_confirmed;            /* server, when done: whether the client confirmed (`close.confirm`) */
  uint64_t needed;             /* client: bytes that the present field still needs */
  uint64_t data_length;        /* client, when done: the declared length */
};

/* Discards the parser of this role and opens a new one, for a connection that was just made. */
void kcom5_reset(enum kcom5_role role, const struct kcom5_setting *setting);

/* Reports an event. The bytes are gone when this returns; size is 0 for all events but KCOM5_OCTETS. */
void kcom5_feed(enum kcom5_role role, enum kcom5_event event, const uint8_t *octets, size_t size);

/* Fills in *result; its pointers are valid until the next call for this role. */
void kcom5_outcome(enum kcom5_role role, struct kcom5_result *result);

#ifdef __cplusplus
}
#endif
#endif
