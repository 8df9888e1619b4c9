/* credential: secrets are kept in memory while their file's stamp stays the same, so that a call
 * costs one stat(2) and a changed key applies at the next call. */
#include "upstream/credential.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/stamp.h"
#include "wire/header.h"

struct secret {
	struct stamp stamp;
	struct buf text;
};

struct credentials {
	const struct conf *conf;
	pthread_mutex_t lock;
	struct secret *secrets; /* one per upstream */
};

struct credentials *
credentials_open(const struct conf *c)
{
	struct credentials *cr = calloc(1, sizeof(*cr));

	if (!cr)
		return NULL;
	cr->conf = c;
	cr->secrets = calloc(c->upstreams_n ? c->upstreams_n : 1, sizeof(*cr->secrets));
	if (!cr->secrets) {
		free(cr);
		return NULL;
	}
	for (size_t i = 0; i < c->upstreams_n; i++)
		cr->secrets[i].text = buf_make(SECRET_FILE_MAX);
	pthread_mutex_init(&cr->lock, NULL);
	return cr;
}

void
credentials_close(struct credentials *cr)
{
	if (!cr)
		return;
	for (size_t i = 0; i < cr->conf->upstreams_n; i++)
		buf_wipe(&cr->secrets[i].text);
	free(cr->secrets);
	pthread_mutex_destroy(&cr->lock);
	free(cr);
}

static int
read_secret(const char *path, struct secret *s)
{
	char raw[SECRET_FILE_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, raw, sizeof(raw));
	struct span text = span_trim((struct span){ raw, n > 0 ? (size_t)n : 0 });
	int rc = -1;

	if (n < 0) {
		log_error("credential", "file=%s error=%d what=\"the secret cannot be read\"", path,
		    errno);
	} else if (text.n == 0 || !header_value_ok(text)) {
		log_error("credential",
		    "file=%s what=\"the file must hold the secret on one line\"", path);
	} else {
		buf_wipe(&s->text);
		rc = buf_add(&s->text, text);
	}
	hash_wipe(raw, sizeof(raw));
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

static int
file_secret(struct credentials *cr, const struct conf_upstream *u, struct buf *out)
{
	struct secret *s = &cr->secrets[u - cr->conf->upstreams];
	struct stamp now;
	int rc = 0;

	if (stamp_of(u->api_key_file, &now)) {
		log_error("credential",
		    "upstream=%s file=%s error=%d what=\"the secret cannot be read\"", u->name,
		    u->api_key_file, errno);
		return -1;
	}
	pthread_mutex_lock(&cr->lock);
	if (!stamp_settled(&s->stamp, &now)) {
		rc = read_secret(u->api_key_file, s);
		s->stamp = now;
		s->stamp.taken_ns = rc ? 0 : now.taken_ns;
	}
	rc = rc ? -1 : buf_add(out, buf_span(&s->text));
	pthread_mutex_unlock(&cr->lock);
	return rc;
}

int
credentials_secret(struct credentials *cr, const struct conf_upstream *u, struct buf *out)
{
	if (u->api_key_file)
		return file_secret(cr, u, out);
	if (u->api_key_env) {
		struct span value = span_trim(span_of(getenv(u->api_key_env)));

		if (value.n == 0 || !header_value_ok(value)) {
			log_error("credential",
			    "upstream=%s variable=%s what=\"it must hold the secret\"", u->name,
			    u->api_key_env);
			return -1;
		}
		return buf_add(out, value);
	}
	return 0;
}
