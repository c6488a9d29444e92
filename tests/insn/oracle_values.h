/* Values at which instructions show what they are made of: corners, special encodings, everything else. */
#ifndef TESTS_INSN_ORACLE_VALUES_H
#define TESTS_INSN_ORACLE_VALUES_H

#include "tests/insn/oracle.h"

uint32_t value_int(struct rng *r);
uint32_t value_f32(struct rng *r);
uint64_t value_f64(struct rng *r);
void value_f80(struct rng *r, uint8_t out[10]);
void value_bcd(struct rng *r, uint8_t out[10]); /* packed, as FBLD takes it */
/* `len` bytes that hold such values one after the other. */
void value_bytes(struct rng *r, enum oracle_data data, void *out, unsigned len);
/* Flips up to two bits. */
void value_vary(struct rng *r, uint8_t *bytes, unsigned len);
uint16_t value_fcw(struct rng *r);
uint32_t value_mxcsr(struct rng *r);
/* An FXSAVE image; XMM registers hold `data`. Unless `may_be_pending` no unmasked x87 exception is flagged. */
void value_fx(struct rng *r, enum oracle_data data, bool may_be_pending, uint8_t fx[512]);

#endif
