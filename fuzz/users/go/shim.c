/* The three functions of kcom5_fuzz.h, by their C types; the work is in main.go. */
#include "_cgo_export.h"
#include "kcom5_fuzz.h"

void kcom5_reset(enum kcom5_role role, const struct kcom5_setting *setting) {
  goReset(role, (struct kcom5_setting *)setting);
}

void kcom5_feed(enum kcom5_role role, enum kcom5_event event, const uint8_t *octets, size_t size) {
  goFeed(role, event, (uint8_t *)octets, size);
}

void kcom5_outcome(enum kcom5_role role, struct kcom5_result *result) { goOutcome(role, result); }
