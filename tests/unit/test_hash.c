/* hash: the published vectors of FIPS 180-4 and RFC 4648, and what is no hash. */
#include "base/hash.h"

#include "unit/check.h"

static const struct {
	const char *in, *hex;
} digests[] = {
	{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
};

static const struct {
	const char *in, *want;
} base64s[] = {
	{ "", "" },
	{ "f", "Zg" },
	{ "fo", "Zm8" },
	{ "foo", "Zm9v" },
	{ "foobar", "Zm9vYmFy" },
	{ "\xff\xef\xbe\xff", "_---_w" },
};

static void
rows_digests(struct check *c)
{
	for (size_t i = 0; i < ROWS(digests); i++) {
		struct span in = span_of(digests[i].in);
		uint8_t hash[HASH_LEN], pieces[HASH_LEN];
		char hex[HASH_HEX_LEN + 1];

		check_row(c, "SHA-256 of '%s'", digests[i].in);
		check_that(c, hash_sha256(in, hash) == 0, "no digest");
		hash_to_hex(hash, hex);
		check_same(c, span_of(hex), span_of(digests[i].hex));

		struct hash_stream *h = hash_start();

		if (!check_that(c, h != NULL, "no stream"))
			continue;
		for (size_t at = 0; at < in.n; at++)
			check_that(c, hash_add(h, span_cut(in, at, at + 1)) == 0, "add");
		check_that(c, hash_finish(h, pieces) == 0, "finish");
		check_that(c, hash_same(hash, pieces), "pieces differ");
	}
}

static void
row_hex(struct check *c)
{
	uint8_t a[HASH_LEN], b[HASH_LEN];
	const char *lower = digests[0].hex;
	const char *upper = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";

	check_row(c, "hexadecimal in both cases, and nothing else");
	check_that(c, hash_from_hex(span_of(lower), a) == 0, "lower case");
	check_that(c, hash_from_hex(span_of(upper), b) == 0, "upper case");
	check_that(c, hash_same(a, b), "case counts");
	b[31] ^= 1;
	check_that(c, !hash_same(a, b), "one bit does not count");
	check_that(c, hash_from_hex(span_cut(span_of(lower), 0, 63), a) < 0, "63 digits");
	check_that(c, hash_from_hex(SPAN(""), a) < 0, "no digits");
	check_that(c,
	    hash_from_hex(
		SPAN("g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), a) < 0,
	    "g is a digit");
}

static void
row_random(struct check *c)
{
	char a[33], b[33];

	check_row(c, "random names are random and of the alphabet");
	check_that(c, hash_random_id(a, 32) == 0 && hash_random_id(b, 32) == 0, "none");
	check_that(
	    c, strlen(a) == 32 && strspn(a, "abcdefghijklmnopqrstuvwxyz234567") == 32, "got %s", a);
	check_that(c, strcmp(a, b) != 0, "twice the same");
}

int
main(void)
{
	struct check c = { .module = "hash" };
	char out[64];

	rows_digests(&c);
	for (size_t i = 0; i < ROWS(base64s); i++) {
		struct span in = span_of(base64s[i].in);

		check_row(&c, "base64url of %zu bytes", strlen(base64s[i].in));
		hash_base64url((const uint8_t *)in.p, in.n, out);
		check_same(&c, span_of(out), span_of(base64s[i].want));
	}
	row_hex(&c);
	row_random(&c);
	return check_end(&c);
}
