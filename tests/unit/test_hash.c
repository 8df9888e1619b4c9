/* hash: the published vectors of FIPS 180-4, RFC 4231 and RFC 4648, and what is no hash. */
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

/* RFC 4231's cases 1 to 3, 6 and 7, and nothing under nothing. */
static const struct {
	const char *key_byte; /* this one so often; NULL: key is as it stands there */
	size_t key_n;
	const char *key, *text, *hex;
} macs[] = {
	{ "\x0b", 20, NULL, "Hi There",
	    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ NULL, 0, "Jefe", "what do ya want for nothing?",
	    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "\xaa", 20, NULL,
	    "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
	    "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd"
	    "\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd\xdd",
	    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe" },
	{ "\xaa", 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
	    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
	{ "\xaa", 131, NULL,
	    "This is a test using a larger than block-size key and a larger than block-size data. "
	    "The key needs to be hashed before being used by the HMAC algorithm.",
	    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2" },
	{ NULL, 0, NULL, "", "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" },
};

static void
rows_macs(struct check *c)
{
	for (size_t i = 0; i < ROWS(macs); i++) {
		char bytes[131], hex[HASH_HEX_LEN + 1];
		struct span key = span_of(macs[i].key);
		uint8_t mac[HASH_LEN];

		if (macs[i].key_byte) {
			memset(bytes, macs[i].key_byte[0], macs[i].key_n);
			key = (struct span){ bytes, macs[i].key_n };
		}
		check_row(c, "HMAC-SHA-256 under a key of %zu bytes", key.n);
		check_that(c, hash_hmac_sha256(key, span_of(macs[i].text), mac) == 0, "none");
		hash_to_hex(mac, hex);
		check_same(c, span_of(hex), span_of(macs[i].hex));
	}
}

static void
row_mac_in_place(struct check *c)
{
	const struct span text = SPAN("text");
	uint8_t key[HASH_LEN] = { 1, 2, 3 }, mac[HASH_LEN];

	check_row(c, "an HMAC takes the place of its key");
	check_that(
	    c, hash_hmac_sha256((struct span){ (char *)key, HASH_LEN }, text, mac) == 0, "none");
	check_that(c, hash_hmac_sha256((struct span){ (char *)key, HASH_LEN }, text, key) == 0,
	    "none in place");
	check_that(c, hash_same(key, mac), "another one");
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

/* RFC 4648 10, and texts that libcrypto is given in pieces. */
static void
rows_base64(struct check *c)
{
	static const struct {
		const char *in, *want;
	} texts[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };
	const size_t size = (3ul << 20) + 4;
	struct buf in = buf_make(size), out = buf_make(2 * size);
	char *at;
	int rc = buf_room(&in, size, &at);

	for (size_t i = 0; i < ROWS(texts); i++) {
		check_row(c, "base64 of '%s'", texts[i].in);
		out.len = 0;
		check_that(c, hash_base64(span_of(texts[i].in), &out) == 0, "refused");
		check_same(c, buf_span(&out), span_of(texts[i].want));
	}
	check_row(c, "base64 of a long text");
	if (!check_that(c, rc == 0, "no memory"))
		return;
	memset(at, 'f', size);
	in.len = size;
	out.len = 0;
	check_that(c, hash_base64(buf_span(&in), &out) == 0, "refused");
	check_that(c, out.len == (size + 2) / 3 * 4, "%zu bytes", out.len);
	check_same(c, span_cut(buf_span(&out), out.len - 8, out.len), SPAN("ZmZmZg=="));
	for (size_t i = 0; i + 8 < out.len; i += 4)
		check_that(c, memcmp(out.p + i, "ZmZm", 4) == 0, "at %zu", i);
	check_row(c, "base64 without room");
	out.len = 0;
	out.max = 8;
	check_that(c, hash_base64(SPAN("0123456"), &out) < 0, "taken");
	buf_free(&in);
	buf_free(&out);
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
	rows_base64(&c);
	rows_macs(&c);
	row_mac_in_place(&c);
	row_hex(&c);
	row_random(&c);
	return check_end(&c);
}
