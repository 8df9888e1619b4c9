/* jwt: see the header. */
#include "wire/jwt.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/hash.h"
#include "base/limits.h"
#include "wire/json.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

/* A key under a passphrase is none that we can use: without this the library would ask a terminal.
 */
static int
no_passphrase(char *to, int size, int writing, void *arg)
{
	(void)to;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *
read_key(struct span pem, const char **why)
{
	BIO *in = pem.n <= SECRET_FILE_MAX ? BIO_new_mem_buf(pem.p, (int)pem.n) : NULL;
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;

	BIO_free(in);
	*why = NULL;
	if (!key)
		*why = "the private key cannot be read: it must be PEM without a passphrase";
	else if (EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA)
		*why = "the private key is not one of RSA";
	else if (EVP_PKEY_get_bits(key) < RSA_BITS_MIN || EVP_PKEY_get_bits(key) > RSA_BITS_MAX)
		*why = "the private key must have 2048 to 8192 bits";
	if (!*why)
		return key;
	EVP_PKEY_free(key);
	return NULL;
}

/* Appends bytes as base64url. */
static int
put(struct span bytes, struct buf *out)
{
	size_t size = 4 * (bytes.n + 2) / 3 + 1;
	char *to;

	if (buf_room(out, size, &to))
		return -1;
	hash_base64url((const uint8_t *)bytes.p, bytes.n, to);
	out->len += strlen(to);
	return 0;
}

/* Appends header and claims with the dot between them. */
static int
put_signed_part(struct span claims, struct span key_id, struct buf *out)
{
	struct buf head = buf_make(JWT_CLAIMS_MAX);
	int rc = buf_add(&head, SPAN("{\"alg\":\"RS256\",\"typ\":\"JWT\""));

	if (!rc && key_id.n > 0)
		rc = buf_add(&head, SPAN(",\"kid\":")) || json_put_string(&head, key_id);
	rc = rc || buf_add(&head, SPAN("}")) || put(buf_span(&head), out) ||
	    buf_add(out, SPAN(".")) || put(claims, out);
	buf_free(&head);
	return rc ? -1 : 0;
}

static int
put_signature(EVP_PKEY *key, struct span text, struct buf *out)
{
	unsigned char signature[RSA_BITS_MAX / 8];
	size_t n = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int rc = -1;

	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	    EVP_DigestSign(ctx, signature, &n, (const unsigned char *)text.p, text.n) == 1)
		rc = buf_add(out, SPAN(".")) || put((struct span){ (char *)signature, n }, out);
	EVP_MD_CTX_free(ctx);
	return rc ? -1 : 0;
}

int
jwt_sign(struct span claims, struct span key_id, struct span private_key, struct buf *out,
    const char **why)
{
	struct buf text = buf_make(4 * JWT_CLAIMS_MAX);
	EVP_PKEY *key = read_key(private_key, why);
	size_t start = out->len;
	int rc = -1;

	if (!key)
		goto out;
	*why = "the token cannot be made";
	if (claims.n <= JWT_CLAIMS_MAX && put_signed_part(claims, key_id, &text) == 0 &&
	    buf_add(out, buf_span(&text)) == 0 && put_signature(key, buf_span(&text), out) == 0)
		rc = 0;
	if (rc)
		out->len = start;
out:
	ERR_clear_error();
	EVP_PKEY_free(key);
	buf_free(&text);
	return rc;
}
