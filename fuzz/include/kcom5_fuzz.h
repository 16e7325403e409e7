/* What the fuzz targets ask of a parser of KCOM5: three functions. Whoever links them gets our targets, corpus and
 * oracles. The targets call from one thread. Names of errors and all rules: spec/kcom5.md. How to: fuzz/README.md. */
#ifndef KCOM5_FUZZ_H
#define KCOM5_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* There is one parser of each role at a time; a client and a server may be open together. */
enum kcom5_role { KCOM5_ADDRESS, KCOM5_CLIENT, KCOM5_SERVER };

/* What happens to it: octets of the peer came (for an address: its text, once) · the system took everything there was
 * to send · the peer closed or half-closed · it reset · the time has passed · to a server only: everything that was
 * sent is acknowledged · the peer closed or half-closed before it was. A client stores what has arrived at once. */
enum kcom5_event {
  KCOM5_OCTETS,
  KCOM5_SENT,
  KCOM5_END,
  KCOM5_RESET,
  KCOM5_TIMEOUT,
  KCOM5_ACKNOWLEDGED,
  KCOM5_EARLY_END
};

struct kcom5_octets {
  const uint8_t *at; /* may be null if there are none */
  size_t size;
};

/* What the caller of one exchange sets. */
struct kcom5_setting {
  uint8_t nonce[3];            /* client: of its hello */
  uint64_t message_limit;      /* client: `limit.over` */
  uint64_t data_limit;         /* client */
  struct kcom5_octets message; /* server: outlives the exchange */
  struct kcom5_octets data;    /* server: outlives the exchange */
};

/* How things stand. */
struct kcom5_result {
  const char *error; /* the name of the failure, such as "truncated", or null */
  int done;          /* 1: the exchange succeeded, or the text is an address */
  uint64_t consumed; /* client, server: octets of the peer up to the decision, the first wrong one included, but not
                        those thrown away. Not checked for an address */
  struct kcom5_octets sent;    /* client, server: everything given to the system to send, so far */
  struct kcom5_octets message; /* client, when done. Address, when done: packed again, from the port and the groups */
  struct kcom5_octets data;    /* client, when done. Address, when done: the 48 octets of the key */
};

/* Forgets the parser of this role and opens a new one: a client or a server that has just been connected. */
void kcom5_reset(enum kcom5_role role, const struct kcom5_setting *setting);

/* Tells it what happened. The octets are gone when this returns; size is 0 for all other events. */
void kcom5_feed(enum kcom5_role role, enum kcom5_event event, const uint8_t *octets, size_t size);

/* Fills in *result; its pointers are good until the next call for this role. */
void kcom5_outcome(enum kcom5_role role, struct kcom5_result *result);

#ifdef __cplusplus
}
#endif
#endif
