/* hash: SHA-256 and its HMAC, constant-time comparison, random bytes and their text forms. The home
 * of libcrypto's digests. */
#ifndef POSTERN_BASE_HASH_H
#define POSTERN_BASE_HASH_H

#include <stdint.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/span.h"

#define HASH_LEN     32u
#define HASH_HEX_LEN 64u

struct hash_stream; /* a SHA-256 under way; opaque */

/* SHA-256 (FIPS 180-4) of s. -1 when the library fails. */
MUST_CHECK int hash_sha256(struct span s, uint8_t out[static HASH_LEN]);

/* HMAC-SHA-256 (RFC 2104) of text under a key of any length. -1 when the library fails; what was
 * written to out is then of no use. out may be where the key lies. */
MUST_CHECK int hash_hmac_sha256(struct span key, struct span text, uint8_t out[static HASH_LEN]);

/* Begins a SHA-256 in pieces; NULL when out of memory. */
struct hash_stream *hash_start(void);

/* Takes the next piece. -1 when the library fails. */
MUST_CHECK int hash_add(struct hash_stream *h, struct span s);

/* Gives the hash of all pieces and frees the stream in every case. -1 when the library fails. */
MUST_CHECK int hash_finish(struct hash_stream *h, uint8_t out[static HASH_LEN]);

/* Compares in constant time. */
bool hash_same(const uint8_t a[static HASH_LEN], const uint8_t b[static HASH_LEN]);

/* 64 lower-case or upper-case hexadecimal digits to bytes; -1 for anything else. */
MUST_CHECK int hash_from_hex(struct span hex, uint8_t out[static HASH_LEN]);

/* Lower-case hexadecimal with a terminating zero. */
void hash_to_hex(const uint8_t hash[static HASH_LEN], char out[static HASH_HEX_LEN + 1]);

/* n bytes from the kernel's generator (getrandom(2)); libcrypto's own would keep a state per
 * thread. -1 when there are none to be had. */
MUST_CHECK int hash_random(void *out, size_t n);

/* base64url without padding (RFC 4648 5) of n bytes with a terminating zero; out has room for
 * 4*(n+2)/3+1. */
void hash_base64url(const uint8_t *bytes, size_t n, char *out);

/* Appends the base64 (RFC 4648 4, padded) of s. -1 when out is full. */
MUST_CHECK int hash_base64(struct span s, struct buf *out);

/* n characters of lower-case base32 (digits 2-7, letters a-z) from n random bytes, and a
 * terminating zero. */
MUST_CHECK int hash_random_id(char *out, size_t n);

/* Overwrites memory in a way the compiler keeps (OPENSSL_cleanse). */
void hash_wipe(void *p, size_t n);

#endif
