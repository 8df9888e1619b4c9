/* conf: what a configuration means, and every fault that is found in one. */
#include "policy/conf.h"

#include <errno.h>
#include <stdlib.h>

#include "base/limits.h"
#include "unit/check.h"
#include "unit/guard.h"

static const char *const kinds[] = { "anthropic", "bedrock", "vertex", "openai", "echo", NULL };

#define ECHO "upstream \"e\" { kind = \"echo\" }\n"

#define STORE_FORMS                                                                       \
	"f:2: store: give \"local\", \"redis://[user@]host[:port][/db]\", the same with " \
	"rediss:// for TLS, or \"redis+unix:/path[?db=N]\"\n"
#define STORE_SECRET                                                               \
	"f:2: store: a password does not belong here: give store_password_file = " \
	"\"/path\" or store_password_env = \"NAME\"\n"

/* Lists of prices by their paths. */
static int
read_list(const char *path, struct buf *out)
{
	static const struct {
		const char *path, *text;
		int error;
	} files[] = {
		{ "/list", "listed 1 2 3 4 5\n", 0 },
		{ "/damaged", "listed 1 2 3 4 5\nm 1\n", 0 },
		{ "/closed", "", EACCES },
	};

	errno = ENOENT;
	for (size_t i = 0; i < ROWS(files); i++) {
		if (strcmp(files[i].path, path) != 0)
			continue;
		errno = files[i].error;
		return files[i].error ? -1 : buf_add(out, span_of(files[i].text));
	}
	return -1;
}

static struct conf *
parse(const char *text, const char *prices, struct buf *errors, struct buf *warnings)
{
	struct conf_source s = {
		.text = text, .file = "f", .kinds = kinds, .prices = prices, .read = read_list
	};

	return conf_parse(&s, errors, warnings);
}

static const struct {
	const char *what, *text;
	const char *said; /* errors, then warnings; without the file's name */
} rows[] = {
	{ "an upstream is enough", ECHO, "" },
	{ "nothing at all", "",
	    "f: there is no upstream: give at least one, as in upstream \"echo\" { kind = \"echo\" }\n" },
	{ "comments count no lines and may stand anywhere",
	    "# one\n// two\n/* three\n   four */ upstream /* x */ \"e\" # y\n{ kind = echo\nregions = { us, # z\n"
	    "eu } } max_body = 1",
	    "f:7: max_body = \"1\": give a whole number from 1024 to 268435456\n" },
	{ "a byte order mark and CRLF", "\xef\xbb\xbf" ECHO "ping_s = 1\r\nping_s = 2\r\n",
	    "f:3: a second \"ping_s\"; the first is on line 2\n" },
	{ "an unknown option, near a known one", ECHO "max_bdy = 5000",
	    "f:2: unknown option \"max_bdy\": did you mean \"max_body\"?\n" },
	{ "an unknown option", ECHO "model m { target e {\ncolour = red } }",
	    "f:3: unknown option \"colour\": known here are id, weight\n" },
	{ "an option of another level", "model m { target e { kind = echo } }\n" ECHO,
	    "f:1: unknown option \"kind\": known here are id, weight\n" },
	{ "an option by its path", ECHO "upstream|kind = echo\n\"upstream=e|kind\" = echo\n",
	    "f:2: \"kind\" belongs inside a section \"upstream\"\n"
	    "f:3: \"kind\" belongs inside a section \"upstream\"\n" },
	{ "the hidden options cannot be named", ECHO "\"open=\" = 1\n\"reader=\" = 1",
	    "f:2: no sub-section title/index for 'open'\nf:3: no sub-section title/index for 'reader'\n" },
	{ "an option without a name", ECHO "\"\" = 1", "f:2: an option without a name\n" },
	{ "files are not included", ECHO "include(\"/etc/passwd\")",
	    "f:2: unknown option \"include\": known here are keys, state, prices, store, store_away, "
	    "store_password_file, store_password_env, store_ca_file, store_timeout_s, rpm, tpm, default_region, max_body, commit_s, "
	    "ping_s, envelope_usage, upstream_connect_s, upstream_first_s, upstream_idle_s, write_idle_s, retry_s, cooldown_s, drain_s, auth_failures_minute, sandbox, upstream, model, workspace\n" },
	{ "a value of the wrong type", ECHO "max_body = big",
	    "f:2: max_body = \"big\": give a whole number from 1024 to 268435456\n" },
	{ "a number with a fraction", ECHO "max_body = 5000.5",
	    "f:2: max_body = \"5000.5\": give a whole number from 1024 to 268435456\n" },
	{ "a number below its range", ECHO "upstream_connect_s = 0.999",
	    "f:2: upstream_connect_s = \"0.999\": give a number from 1 to 300, with at most three decimals\n" },
	{ "a number above its range", ECHO "drain_s = 3601",
	    "f:2: drain_s = \"3601\": give a number from 0 to 3600, with at most three decimals\n" },
	{ "a number beyond all ranges", ECHO "max_body = 99999999999999999999999",
	    "f:2: max_body = \"99999999999999999999999\": give a whole number from 1024 to 268435456\n" },
	{ "a negative number", ECHO "commit_s = -1",
	    "f:2: commit_s = \"-1\": give a number from 0 to 300, with at most three decimals\n" },
	{ "a section twice", ECHO "workspace w { }\n" ECHO "workspace w { }",
	    "f:3: a second upstream \"e\"; the first is on line 1\nf:4: a second workspace \"w\"; the first is on line 2\n" },
	{ "a model twice", ECHO "model m { target e { } }\nmodel m { target e { } }",
	    "f:3: a second model \"m\"; the first is on line 2\n" },
	{ "a target twice", ECHO "model m { target e { }\ntarget e { } }",
	    "f:3: a second target \"e\"; the first is on line 2\n" },
	{ "an option twice, a list", ECHO "workspace w { models = { a }\nmodels = { b } }",
	    "f:3: a second \"models\"; the first is on line 2\n" },
	{ "a list that goes on", ECHO "workspace w { models = { a }\nmodels += { b } }", "" },
	{ "a list with one thing twice", ECHO "workspace w { models = { a, a } }",
	    "f:2: models = \"a\": it is in the list already\n" },
	{ "an empty list forbids or allows all: which?", ECHO "workspace w { models = { } }",
	    "f:2: models = { }: the list is empty; fill it or leave it out\n" },
	{ "a dangling name", ECHO "model m {\ntarget x { }\n}",
	    "f:3: target \"x\" is no upstream: its name must be one of the upstream sections\n" },
	{ "a model without a target", ECHO "model m { }",
	    "f:2: model \"m\" has no target: give target \"name of an upstream\" { }\n" },
	{ "a region without a target", ECHO "model m { regions = { us, eu } target e { } }",
	    "f:2: model \"m\": none of its targets is in region \"eu\"\n" },
	{ "a region that is none",
	    "default_region = EU\n" ECHO "model m { regions = { \"u s\" } target e { } }",
	    "f:1: default_region = \"EU\": a region is 1 to 64 of a-z, 0-9 and -\n"
	    "f:3: regions = \"u s\": a region is 1 to 64 of a-z, 0-9 and -\n" },
	{ "no upstream in the default region",
	    "default_region = eu\nupstream e { kind = echo regions = { us } }",
	    "f: warning: no upstream is in the default_region \"eu\": calls without a region in their path are refused\n" },
	{ "no kind", "upstream u {\n}",
	    "f:1: upstream \"u\" has no kind: give kind = \"anthropic\"\n" },
	{ "a kind that is not there", "upstream u { kind = gemini url = http://127.0.0.1 }",
	    "f:1: kind = \"gemini\": this version has \"anthropic\", \"bedrock\", \"vertex\", \"openai\", \"echo\"\n" },
	{ "what Bedrock needs", "upstream u { kind = bedrock }",
	    "f:1: upstream \"u\" has no credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n"
	    "f:1: upstream \"u\" has no aws_region: give one, such as \"eu-central-1\"\n" },
	{ "what Vertex needs", "upstream u { kind = vertex }",
	    "f:1: upstream \"u\" has no credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n"
	    "f:1: upstream \"u\" has no google_project: give the project's id\n"
	    "f:1: upstream \"u\" has no google_location: give \"global\", \"us\", \"eu\" or a region\n" },
	{ "what a signature needs", "upstream u { kind = anthropic auth = sigv4 }",
	    "f:1: upstream \"u\" has no url: give url = \"https://host\"\n"
	    "f:1: upstream \"u\" has no credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n"
	    "f:1: upstream \"u\" has no aws_region: give one, such as \"eu-central-1\"\n"
	    "f:1: upstream \"u\" has no aws_service: give \"bedrock\", \"bedrock-mantle\" or \"aws-external-anthropic\"\n" },
	{ "a workspace of Anthropic's on AWS",
	    "upstream u { kind = anthropic auth = sigv4 credentials = env aws_region = us-east-1 aws_service = aws-external-anthropic }",
	    "f:1: upstream \"u\" has no workspace_id, which the service aws-external-anthropic asks for\n" },
	{ "a token that is to sign",
	    "upstream u { kind = anthropic auth = sigv4 credentials = \"bearer:/x\" aws_region = a aws_service = bedrock }",
	    "f:1: upstream \"u\": a bearer token does not sign: give auth = \"bearer\" and api_key_file\n" },
	{ "a key that is to sign",
	    "upstream u { kind = anthropic auth = sigv4 api_key_env = K aws_region = a aws_service = bedrock }",
	    "f:1: upstream \"u\": auth = \"sigv4\" signs with credentials = \"env\", \"metadata\" or \"file:/path\" and takes no api_key\n" },
	{ "a key and credentials",
	    "upstream u { kind = bedrock aws_region = a api_key_env = K credentials = env }",
	    "f:1: upstream \"u\" has both an api_key and credentials: give one\n" },
	{ "credentials that are none are not repeated",
	    "upstream u { kind = bedrock aws_region = a credentials = s3cret }",
	    "f:1: credentials: give \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n"
	    "f:1: upstream \"u\" has no credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n" },
	{ "credentials without a path",
	    "upstream u { kind = vertex google_project = p google_location = eu credentials = \"file:\" }",
	    "f:1: credentials: give \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n"
	    "f:1: upstream \"u\" has no credential: give credentials = \"env\", \"metadata\", \"file:/path\" or \"bearer:/path\"\n" },
	{ "a region that would be another host",
	    "upstream u { kind = bedrock aws_region = \"x/y\" credentials = env url = https://h }",
	    "f:1: aws_region = \"x/y\": give an AWS region, such as eu-central-1\n"
	    "f:1: upstream \"u\" has no aws_region: give one, such as \"eu-central-1\"\n" },
	{ "a list in one beta",
	    "upstream u { kind = bedrock aws_region = a credentials = env beta_allow = { \"a,b\" } }",
	    "f:1: beta_allow = \"a,b\": give one value of anthropic-beta an entry, * stands for any characters\n" },
	{ "betas, and then none",
	    "upstream u { kind = bedrock aws_region = a credentials = env\nbeta_allow = { a }\nbeta_allow = { } }",
	    "f:3: a second \"beta_allow\"; the first is on line 2\n" },
	{ "a signature and a key where nothing is signed",
	    "upstream u { kind = vertex google_project = p google_location = eu auth = sigv4 api_key_env = K }",
	    "f:1: warning: upstream \"u\": kind vertex uses no auth = \"sigv4\"\n" },
	{ "what is for clouds alone",
	    "upstream u { kind = anthropic url = https://h api_key_env = K aws_region = a google_project = p beta_allow = { } credentials = env }",
	    "f:1: upstream \"u\" has both an api_key and credentials: give one\n"
	    "f:1: warning: upstream \"u\": kind anthropic uses no credentials without auth = \"sigv4\"\n"
	    "f:1: warning: upstream \"u\": kind anthropic uses no aws_region, aws_service or aws_profile\n"
	    "f:1: warning: upstream \"u\": kind anthropic uses no google_project or google_location\n"
	    "f:1: warning: upstream \"u\": kind anthropic uses no beta_allow or anthropic_version: both pass as the client sent them\n" },
	{ "what may be dropped where all goes",
	    "upstream u { kind = anthropic url = https://h api_key_env = K may_drop = { top_k } }",
	    "f:1: warning: upstream \"u\": kind anthropic uses no may_drop\n" },
	{ "a server of chat completions in a cloud",
	    "upstream u { kind = openai auth = sigv4 aws_region = x }",
	    "f:1: upstream \"u\" has no url: give url = \"https://host\"\n"
	    "f:1: warning: upstream \"u\": kind openai uses no auth = \"sigv4\"\n"
	    "f:1: warning: upstream \"u\": kind openai uses no aws_region, aws_service or aws_profile\n" },
	{ "what an upstream needs", "upstream u { kind = anthropic }",
	    "f:1: upstream \"u\" has no url: give url = \"https://host\"\n"
	    "f:1: upstream \"u\" has no credential: give api_key_file = \"/path\" or api_key_env = \"NAME\"\n" },
	{ "two credentials",
	    "upstream u { kind = anthropic url = https://x api_key_file = a api_key_env = B }",
	    "f:1: upstream \"u\" has both api_key_file and api_key_env: give one\n" },
	{ "a key in the place of a variable is not repeated",
	    "upstream u { kind = anthropic url = https://x\napi_key_env = sk-ant-secret }",
	    "f:1: upstream \"u\" has no credential: give api_key_file = \"/path\" or api_key_env = \"NAME\"\n"
	    "f:2: api_key_env: give the name of an environment variable, such as ANTHROPIC_API_KEY\n" },
	{ "a URL of another kind", "upstream u { kind = echo\nurl = ftp://x }",
	    "f:2: url: give a URL that begins with https:// or http://\n" },
	{ "a URL with a password is not repeated",
	    "upstream u { kind = echo\nurl = \"https://me:secret@x\" }",
	    "f:2: url: give https://host[:port][/path] and no user name, query or blank\n" },
	{ "a URL that could add a header",
	    "upstream u { kind = echo\nurl = \"https://x\\r\\na: b\" }",
	    "f:2: url: give https://host[:port][/path] and no user name, query or blank\n" },
	{ "in the clear", "upstream u { kind = anthropic url = http://10.1.1.1 api_key_env = K }",
	    "f:1: warning: upstream \"u\": over http:// its credential and every prompt travel in the clear\n" },
	{ "in the clear, but at home",
	    "upstream u { kind = anthropic url = http://127.0.0.1:8 api_key_env = K }", "" },
	{ "what an upstream does not use",
	    "upstream e { kind = echo url = http://x api_key_env = K }",
	    "f:1: warning: upstream \"e\": kind echo uses no url\nf:1: warning: upstream \"e\": kind echo uses no api_key\n" },
	{ "a signature of an echo", "upstream e { kind = echo auth = sigv4 }",
	    "f:1: warning: upstream \"e\": kind echo uses no auth = \"sigv4\"\n" },
	{ "an auth that is none", "upstream e { kind = echo auth = basic }",
	    "f:1: auth = \"basic\": give \"x-api-key\", \"bearer\" or \"sigv4\"\n" },
	{ "a place that is none is not repeated", ECHO "store = \"sqlite:/secret\"", STORE_FORMS },
	{ "a store without a host", ECHO "store = \"redis://\"", STORE_FORMS },
	{ "a store with a port alone", ECHO "store = \"redis://:6379\"", STORE_FORMS },
	{ "a store of port 0", ECHO "store = \"redis://h:0\"", STORE_FORMS },
	{ "a store of port 65536", ECHO "store = \"redis://h:65536\"", STORE_FORMS },
	{ "a store of a port that is none", ECHO "store = \"redis://h:x\"", STORE_FORMS },
	{ "a store of an empty port", ECHO "store = \"redis://h:/1\"", STORE_FORMS },
	{ "a database beyond all", ECHO "store = \"redis://h/65536\"", STORE_FORMS },
	{ "a database with a name", ECHO "store = \"redis://h/main\"", STORE_FORMS },
	{ "more behind the database", ECHO "store = \"redis://h/0/1\"", STORE_FORMS },
	{ "a store with a query", ECHO "store = \"redis://h/0?timeout=1\"", STORE_FORMS },
	{ "a store with an empty user", ECHO "store = \"redis://@h\"", STORE_FORMS },
	{ "a store with two users", ECHO "store = \"redis://a@b@h\"", STORE_FORMS },
	{ "a user with a blank", ECHO "store = \"redis://a b@h\"", STORE_FORMS },
	{ "a host with a blank", ECHO "store = \"redis://a b\"", STORE_FORMS },
	{ "a store with a control character", ECHO "store = \"redis://h\\n\"", STORE_FORMS },
	{ "a bracket without its other half", ECHO "store = \"redis://[::1\"", STORE_FORMS },
	{ "an address without brackets", ECHO "store = \"redis://::1\"", STORE_FORMS },
	{ "a socket without a path", ECHO "store = \"redis+unix:\"", STORE_FORMS },
	{ "a socket by a relative path", ECHO "store = \"redis+unix:run/redis\"", STORE_FORMS },
	{ "a socket with another query", ECHO "store = \"redis+unix:/s?user=a\"", STORE_FORMS },
	{ "a socket with an empty database", ECHO "store = \"redis+unix:/s?db=\"", STORE_FORMS },
	{ "a scheme in capitals", ECHO "store = \"REDIS://h\"", STORE_FORMS },
	{ "a password in the place", ECHO "store = \"redis://me:secret@h:6379/0\"", STORE_SECRET },
	{ "a password without a user", ECHO "store = \"rediss://:secret@h\"", STORE_SECRET },
	{ "a password with signs in it", ECHO "store = \"redis://u:sec/r@t#@h\"", STORE_SECRET },
	{ "a password as a query", ECHO "store = \"redis+unix:/s?password=secret\"", STORE_SECRET },
	{ "a password in a place misspelt", ECHO "store = \"reddis://u:secret@h\"", STORE_SECRET },
	{ "a place misspelt", ECHO "store = \"reddis://u@h\"", STORE_FORMS },
	{ "a store twice", ECHO "store = local\nstore = \"redis://h\"",
	    "f:3: a second \"store\"; the first is on line 2\n" },
	{ "what only Redis uses",
	    ECHO
	    "store = local\nstore_away = local\nstore_password_file = a\nstore_ca_file = b\nstore_timeout_s = 2",
	    "f:3: warning: store_away: the store is \"local\", which has no use for it\n"
	    "f:4: warning: store_password_file: the store is \"local\", which has no use for it\n"
	    "f:5: warning: store_ca_file: the store is \"local\", which has no use for it\n"
	    "f:6: warning: store_timeout_s: the store is \"local\", which has no use for it\n" },
	{ "what only Redis uses, and no store", ECHO "store_password_env = P",
	    "f:2: warning: store_password_env: the store is \"local\", which has no use for it\n" },
	{ "a place that was refused says so once", ECHO "store = redis\nstore_away = local",
	    STORE_FORMS },
	{ "two passwords",
	    ECHO "store = \"redis://localhost\"\nstore_password_file = a\nstore_password_env = B",
	    "f:2: the store has both store_password_file and store_password_env: give one\n" },
	{ "a password in the clear", ECHO "store = \"redis://10.0.0.1\"\nstore_password_file = a",
	    "f:2: warning: over redis:// the password of the store travels in the clear: rediss:// encrypts\n" },
	{ "a password in the clear, but at home",
	    ECHO "store = \"redis://127.0.0.1\"\nstore_password_file = a", "" },
	{ "a password by a socket", ECHO "store = \"redis+unix:/s\"\nstore_password_env = P", "" },
	{ "a password inside of TLS", ECHO "store = \"rediss://10.0.0.1\"\nstore_password_env = P",
	    "" },
	{ "certificates for a store without TLS",
	    ECHO "store = \"redis://10.0.0.1\"\nstore_ca_file = a",
	    "f:2: warning: store_ca_file: a store without rediss:// has no use for it\n" },
	{ "a password in the place of its variable is not repeated",
	    ECHO "store = \"redis+unix:/s\"\nstore_password_env = \"sec-ret\"",
	    "f:3: store_password_env: give the name of an environment variable, such as POSTERN_STORE_PASSWORD\n" },
	{ "a store that is away", ECHO "store = \"redis://h\" store_away = stop",
	    "f:2: store_away = \"stop\": give \"refuse\" or \"local\"\n" },
	{ "a store's time is too short", ECHO "store = \"redis://h\" store_timeout_s = 0.049",
	    "f:2: store_timeout_s = \"0.049\": give a number from 0.05 to 30, with at most three decimals\n" },
	{ "a store's time is too long", ECHO "store = \"redis://h\" store_timeout_s = 30.001",
	    "f:2: store_timeout_s = \"30.001\": give a number from 0.05 to 30, with at most three decimals\n" },
	{ "limits beyond their ranges",
	    "rpm = 100000000001\ntpm = 100000000001\nworkspace w { rpm = 100000000001\ntpm = 100000000001\n"
	    "concurrent = 1000001\nbudget_day = 9000000.000000001\nbudget_month = 0.0000000001 }\n" ECHO,
	    "f:1: rpm = \"100000000001\": give a whole number from 0 to 100000000000\n"
	    "f:2: tpm = \"100000000001\": give a whole number from 0 to 100000000000\n"
	    "f:3: rpm = \"100000000001\": give a whole number from 0 to 100000000000\n"
	    "f:4: tpm = \"100000000001\": give a whole number from 0 to 100000000000\n"
	    "f:5: concurrent = \"1000001\": give a whole number from 0 to 1000000\n"
	    "f:6: budget_day = \"9000000.000000001\": give a number from 0 to 9000000, with at most nine decimals\n"
	    "f:7: budget_month = \"0.0000000001\": give a number from 0 to 9000000, with at most nine decimals\n" },
	{ "limits at the ends of their ranges",
	    "rpm = 0\ntpm = 100000000000\nworkspace w { rpm = 100000000000 tpm = 0 concurrent = 1000000\n"
	    "budget_day = 9000000 budget_month = 9000000.000000000 upstreams = { } }\n" ECHO,
	    "" },
	{ "a limit twice", ECHO "workspace w { budget_day = 1\nbudget_day = 2 }",
	    "f:3: a second \"budget_day\"; the first is on line 2\n" },
	{ "a limit that the root has not", ECHO "concurrent = 1",
	    "f:2: unknown option \"concurrent\": known here are keys, state, prices, store, store_away, "
	    "store_password_file, store_password_env, store_ca_file, store_timeout_s, rpm, tpm, default_region, max_body, "
	    "commit_s, ping_s, envelope_usage, upstream_connect_s, upstream_first_s, upstream_idle_s, write_idle_s, retry_s, cooldown_s, drain_s, auth_failures_minute, sandbox, upstream, model, workspace\n" },
	{ "a budget and a model without a price",
	    ECHO "model m { target e { } }\nworkspace w { budget_month = 5 }",
	    "f:3: warning: calls of model \"m\" are refused: it has no price and workspace \"w\" has a budget\n" },
	{ "a budget and several models without a price",
	    ECHO "model m { target e { } } model n { target e { } } model o { target e { } }\n"
		 "workspace w { budget_day = 0.000000001 }",
	    "f:3: warning: calls of model \"m\" and 2 more are refused: it has no price and workspace \"w\" has a budget\n" },
	{ "a budget and a model without a price that it may not use",
	    ECHO "model m { target e { } }\nworkspace w { budget_day = 5 models = { \"n*\" } }",
	    "" },
	{ "no budget and a model without a price", ECHO "model m { target e { } } workspace w { }",
	    "" },
	{ "a budget and a model with a price, which may be nothing",
	    ECHO
	    "model m { target e { } price = { 0, 0, 0, 0, 0 } }\nworkspace w { budget_day = 5 }",
	    "" },
	{ "a budget and prices from a list",
	    ECHO
	    "prices = \"/list\" model listed { target e { } }\nmodel m { target e { id = listed } }\n"
	    "workspace w { budget_day = 5 }",
	    "" },
	{ "a model has a price at one of its targets only",
	    ECHO
	    "upstream o { kind = echo }\nprices = \"/list\"\n"
	    "model m { target e { id = listed } target o { id = other } }\nworkspace w { budget_day = 5 }",
	    "f:5: warning: calls of model \"m\" are refused: it has no price and workspace \"w\" has a budget\n" },
	{ "a list of prices that is not there", ECHO "prices = \"/none\"",
	    "f:2: prices: \"/none\" cannot be read: No such file or directory\n" },
	{ "a list of prices that is damaged", ECHO "prices = \"/damaged\"\nping_s = x",
	    "f:3: ping_s = \"x\": give a number from 0 to 300, with at most three decimals\n"
	    "/damaged:2: \"m\": give five prices in USD per million tokens: input, output, cache write 5m, "
	    "cache write 1h, cache read\n" },
	{ "a list of prices without a name", ECHO "prices = \"\"",
	    "f:2: prices: give 1 to 4096 bytes without control characters\n" },
	{ "a workspace's own upstream",
	    ECHO "upstream f { kind = echo }\nworkspace w { upstreams = { f } }", "" },
	{ "an own upstream that is not there", ECHO "workspace w { upstreams = { f } }",
	    "f:2: workspace \"w\": \"f\" is no upstream: its name must be one of the upstream sections\n" },
	{ "an upstream of two",
	    ECHO "workspace w { upstreams = { e } }\nworkspace v { upstreams = { e } }",
	    "f:3: workspace \"v\": upstream \"e\" is workspace \"w\"'s own already\n" },
	{ "a price too few", ECHO "model m { target e { }\nprice = { 1, 2, 3, 4 } }",
	    "f:3: price: give five numbers: input, output, cache write 5m, cache write 1h, cache read\n" },
	{ "a price too many", ECHO "model m { target e { }\nprice = { 1, 2, 3, 4, 5, 6 } }",
	    "f:3: price: give five numbers: input, output, cache write 5m, cache write 1h, cache read\n" },
	{ "a price too fine", ECHO "model m { target e { } price = { 1, 2, 3, 4, 0.0001 } }",
	    "f:2: price = \"0.0001\": give a number from 0 to 1000000, with at most three decimals\n" },
	{ "a day that does not exist", ECHO "model m { target e { } created = 2026-02-30 }",
	    "f:2: created = \"2026-02-30\": give a date such as 2026-11-21 or 2026-11-21T08:00:00Z\n" },
	{ "a name that is none", "upstream \"a\\nb\" { kind = echo }\nworkspace \"\" { }",
	    "f:1: a upstream's name has 1 to 64 bytes and no quotes or control characters\n"
	    "f:2: a workspace's name has 1 to 64 bytes and no quotes or control characters\n" },
	{ "a control character in a value", "keys = \"a\\tb\"\n" ECHO,
	    "f:1: keys: give 1 to 4096 bytes without control characters\n" },
	{ "a string without an end", ECHO "keys = \"a\nstate = b\n",
	    "f:2: a string begins here and has no closing \"\n" },
	{ "a quoted string without an end", ECHO "keys = 'a\n",
	    "f:2: a string begins here and has no closing '\n" },
	{ "a comment without an end", ECHO "\n/* a",
	    "f:3: a comment begins here with /* and has no */\n" },
	{ "half a file", "upstream e {\nkind = echo\n", "f:1: a { on this line has no }\n" },
	{ "half a list", ECHO "workspace w {\nmodels = { a,\n",
	    "f:3: a { on this line has no }\n" },
	{ "braces in braces", ECHO "a { b { c { d { e {",
	    "f:2: braces inside braces, more than any option has\n" },
	{ "a brace too many", ECHO "}", "f:2: unexpected closing brace\n" },
	{ "a glob without quotes", ECHO "workspace w { models = { claude-* } }",
	    "f:2: a value with * in it wants quotes around it\n" },
	{ "a plus without quotes", ECHO "keys = a+b",
	    "f:2: a value with + in it wants quotes around it\n" },
	{ "an escape that is none", ECHO "keys = \"\\8\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "an escape beyond a byte", ECHO "keys = \"\\400\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "a zero byte, octal", ECHO "keys = \"a\\000b\"",
	    "f:2: an escape in a string is \\1 to \\377 in octal digits, \\x01 to \\xff, or a backslash and a letter\n" },
	{ "a zero byte, hexadecimal", ECHO "keys = \"a\\x0\"",
	    "f:2: a string cannot hold a zero byte\n" },
	{ "a variable without an end", ECHO "keys = \"${HOME\"\nstate = \"}\"",
	    "f:2: ${ without its }: write ${NAME} or ${NAME:-default}\n" },
	{ "a variable in bare words", ECHO "keys = a/${HOME}",
	    "f:2: a value with ${NAME} inside wants quotes around it\n" },
	{ "a value where a section belongs", ECHO "model = m",
	    "f:2: missing title for section 'model'\n" },
	{ "a section where a value belongs", ECHO "keys { }",
	    "f:2: missing equal sign after option 'keys'\n" },
	{ "a list where a value belongs", ECHO "keys = { a }", "f:2: unexpected token '{'\n" },
	{ "an unknown section says so once", ECHO "foo \"x\" { a = 1 }",
	    "f:2: unknown option \"foo\": known here are keys, state, prices, store, store_away, "
	    "store_password_file, store_password_env, store_ca_file, store_timeout_s, rpm, tpm, default_region, max_body, commit_s, "
	    "ping_s, envelope_usage, upstream_connect_s, upstream_first_s, upstream_idle_s, write_idle_s, retry_s, cooldown_s, drain_s, auth_failures_minute, sandbox, upstream, model, workspace\n" },
	{ "many faults at once, in the order of the lines",
	    "max_body = 1\nupstream e { kind = echo }\nmodel m { }\nping_s = x\nmodel n { target z { } }",
	    "f:1: max_body = \"1\": give a whole number from 1024 to 268435456\n"
	    "f:3: model \"m\" has no target: give target \"name of an upstream\" { }\n"
	    "f:4: ping_s = \"x\": give a number from 0 to 300, with at most three decimals\n"
	    "f:5: target \"z\" is no upstream: its name must be one of the upstream sections\n" },
};

static void
test_rows(struct check *t, const struct guard *g)
{
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct buf errors = buf_make(CONF_FILE_MAX);
		struct buf warnings = buf_make(CONF_FILE_MAX);
		struct span text =
		    guard_put(g, (struct span){ rows[i].text, strlen(rows[i].text) + 1 });
		struct conf *c = parse(text.p, NULL, &errors, &warnings);

		check_row(t, "%s", rows[i].what);
		check_that(t, (c == NULL) == (errors.len > 0), "a conf and errors, or neither");
		if (buf_add(&errors, buf_span(&warnings)) < 0)
			check_that(t, false, "out of memory");
		check_same(t, buf_span(&errors), span_of(rows[i].said));
		conf_free(c);
		buf_free(&errors);
		buf_free(&warnings);
	}
}

static const char whole[] =
    "keys  = \"/etc/postern/keys\"        # flat key file\n"
    "state = \"/var/lib/postern\"\n"
    "store = \"redis://me@[2001:db8::1]:6380/3\"    # or \"local\"\n"
    "store_away = \"local\"\n"
    "store_password_file = \"/etc/postern/redis.password\"\n"
    "store_ca_file = \"/etc/postern/redis.pem\"\n"
    "store_timeout_s = 0.05\n"
    "rpm = 20\n"
    "default_region = \"us\"\n"
    "max_body = 33554432                # bytes\n"
    "commit_s = 0.5\n"
    "ping_s = 0\n"
    "upstream_connect_s = 10\n"
    "upstream_first_s = 600\n"
    "upstream_idle_s = 120.25\n"
    "drain_s = 30\n"
    "upstream \"anthropic\" {\n"
    "    kind = \"anthropic\"\n"
    "    url = \"https://api.anthropic.com//\"\n"
    "    api_key_file = \"/etc/postern/anthropic.key\"    # or api_key_env = \"ANTHROPIC_API_KEY\"\n"
    "    auth = \"x-api-key\"\n"
    "    any_model = false\n"
    "}\n"
    "upstream \"eu\" { kind = echo regions = { eu, \"us\" } any_model = true pace_ms = 20 auth = bearer }\n"
    "model \"claude-sonnet-4-5\" {\n"
    "    regions = { \"us\" }\n"
    "    target \"anthropic\"  { id = \"claude-sonnet-4-5-20250929\" }\n"
    "    target eu { }\n"
    "    price = { 3.00, 15.00, 3.75, 6.00, 0.30 }      # USD per million\n"
    "    display_name = 'Sonnet \"4.5\"'\n"
    "    created = 2025-09-29\n"
    "}\n"
    "model m { target anthropic { } target eu { } }\n"
    "workspace \"default\" {\n"
    "    rpm = 500\n"
    "    concurrent = 8\n"
    "    budget_day = 0.000000001\n"
    "    budget_month = 200.000000001\n"
    "    models = { \"claude-*\", \"m\" }\n"
    "    upstreams = { }\n"
    "}\n"
    "workspace free { tpm = 0 }\n"
    "tpm = 50000\n";

static void
check_upstreams(struct check *t, const struct conf *c)
{
	const struct conf_upstream *a = &c->upstreams[0];
	const struct conf_upstream *e = &c->upstreams[1];

	check_that(t, c->upstreams_n == 2, "%zu upstreams", c->upstreams_n);
	check_same(t, span_of(a->url), SPAN("https://api.anthropic.com"));
	check_same(t, span_of(a->api_key_file), SPAN("/etc/postern/anthropic.key"));
	check_that(
	    t, !a->api_key_env && a->auth == CONF_AUTH_X_API_KEY && !a->any_model, "anthropic");
	check_that(t, a->regions.n == 1, "the default region");
	check_same(t, span_of(a->regions.v[0]), SPAN("us"));
	check_that(
	    t, e->auth == CONF_AUTH_BEARER && e->any_model && e->pace_ms == 20 && !e->url, "echo");
	check_that(
	    t, e->regions.n == 2 && e->line == 24, "%zu regions, line %d", e->regions.n, e->line);
}

static void
check_models(struct check *t, const struct conf *c)
{
	const struct conf_model *s = conf_model(c, SPAN("claude-sonnet-4-5"));
	const struct conf_model *m = conf_model(c, SPAN("m"));
	static const struct price price = { .input = 3000,
		.output = 15000,
		.cache_write_5m = 3750,
		.cache_write_1h = 6000,
		.cache_read = 300 };

	check_that(t, c->models_n == 2 && s && m && !conf_model(c, SPAN("claude-sonnet-4")),
	    "found by the whole name");
	if (!s || !m)
		return;
	check_that(t,
	    s->targets_n == 2 && s->targets[0].upstream == 0 && s->targets[1].upstream == 1,
	    "targets in order");
	check_same(t, span_of(s->targets[0].id), SPAN("claude-sonnet-4-5-20250929"));
	check_same(t, span_of(s->targets[1].id), SPAN("claude-sonnet-4-5"));
	check_same(t, span_of(s->display_name), SPAN("Sonnet \"4.5\""));
	check_that(t, s->created == 1759104000, "created %lld", (long long)s->created);
	check_that(t, s->priced && memcmp(&s->price, &price, sizeof(price)) == 0, "prices");
	check_that(t, s->regions.n == 1 && !m->priced && !m->display_name,
	    "regions and what is not given");
	check_that(t, m->regions.n == 2, "the regions of all its targets");
}

static void
check_quotas(struct check *t, const struct conf *c)
{
	const struct quota *w = conf_quota(c, conf_workspace(c, SPAN("default")));
	const struct quota *free_one = conf_quota(c, conf_workspace(c, SPAN("free")));
	const struct quota *any = conf_quota(c, NULL);

	check_that(t, w->rpm == 500 && w->tpm == 50000 && w->concurrent == 8,
	    "a workspace's own limits, and the root's, which come later");
	check_that(
	    t, w->budget_day_nanousd == 1 && w->budget_month_nanousd == 200000000001, "budgets");
	check_that(t, free_one->rpm == 20 && free_one->tpm == 0 && free_one->concurrent == 0,
	    "0 is a limit that was given: none");
	check_that(t,
	    any->rpm == 20 && any->tpm == 50000 && any->concurrent == 0 &&
		any->budget_day_nanousd == 0 && any->budget_month_nanousd == 0,
	    "a workspace without a section");
}

static void
check_store(struct check *t, const struct conf_store *s)
{
	check_same(t, span_of(s->kind), SPAN("redis"));
	check_same(t, span_of(s->user), SPAN("me"));
	check_same(t, span_of(s->host), SPAN("2001:db8::1"));
	check_same(t, span_of(s->password_file), SPAN("/etc/postern/redis.password"));
	check_same(t, span_of(s->ca_file), SPAN("/etc/postern/redis.pem"));
	check_that(t, s->port == 6380 && s->db == 3 && !s->path && !s->tls, "the place");
	check_that(t, s->away_local && s->timeout_ms == 50 && !s->password_env, "the rest");
}

static void
test_whole(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c = parse(whole, "/list", &errors, &warnings);
	const struct conf_workspace *w;

	check_row(t, "a whole file");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (!c)
		goto out;
	check_same(t, span_of(c->keys), SPAN("/etc/postern/keys"));
	check_same(t, span_of(c->state), SPAN("/var/lib/postern"));
	check_that(t, c->max_body == 33554432 && c->commit_ms == 500 && c->ping_ms == 0, "numbers");
	check_that(t,
	    c->connect_ms == 10000 && c->first_ms == 600000 && c->idle_ms == 120250 &&
		c->drain_ms == 30000,
	    "times");
	check_upstreams(t, c);
	check_models(t, c);
	w = conf_workspace(c, SPAN("default"));
	check_quotas(t, c);
	check_store(t, &c->store);
	check_that(t, w && w->models.n == 2 && !conf_workspace(c, SPAN("defaul")), "globs");
out:
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

#define BEDROCK(more) "upstream u { kind = bedrock credentials = env " more " }"
#define NATIVE(more)  "upstream u { kind = anthropic auth = sigv4 credentials = env " more " }"
#define VERTEX(at) \
	"upstream u { kind = vertex credentials = env google_project = p google_location = " at " }"

/* Where an upstream is when it does not say. */
static const struct {
	const char *text, *url;
} urls[] = {
	{ BEDROCK("aws_region = eu-central-1"),
	    "https://bedrock-runtime.eu-central-1.amazonaws.com" },
	{ BEDROCK("aws_region = cn-north-1"),
	    "https://bedrock-runtime.cn-north-1.amazonaws.com.cn" },
	{ BEDROCK("aws_region = us-gov-west-1"),
	    "https://bedrock-runtime.us-gov-west-1.amazonaws.com" },
	{ BEDROCK("aws_region = eu-central-1 url = \"https://vpce/\""), "https://vpce" },
	{ NATIVE("aws_region = us-east-1 aws_service = bedrock"),
	    "https://bedrock-runtime.us-east-1.amazonaws.com/anthropic" },
	{ NATIVE("aws_region = us-east-1 aws_service = bedrock-mantle"),
	    "https://bedrock-mantle.us-east-1.api.aws/anthropic" },
	{ NATIVE("aws_region = us-east-1 aws_service = aws-external-anthropic workspace_id = w"),
	    "https://aws-external-anthropic.us-east-1.api.aws" },
	{ VERTEX("global"), "https://aiplatform.googleapis.com/v1" },
	{ VERTEX("eu"), "https://aiplatform.eu.rep.googleapis.com/v1" },
	{ VERTEX("us"), "https://aiplatform.us.rep.googleapis.com/v1" },
	{ VERTEX("europe-west1"), "https://europe-west1-aiplatform.googleapis.com/v1" },
};

static void
test_urls(struct check *t)
{
	for (size_t i = 0; i < ROWS(urls); i++) {
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c = parse(urls[i].text, NULL, &said, &said);

		check_row(t, "the place of %s", urls[i].text);
		check_same(t, buf_span(&said), SPAN(""));
		check_that(t, c != NULL, "refused");
		if (c)
			check_same(t, span_of(c->upstreams[0].url), span_of(urls[i].url));
		conf_free(c);
		buf_free(&said);
	}
}

static const char clouds[] =
    "upstream b { kind = bedrock aws_region = eu-west-1 aws_profile = \"my own\"\n"
    "credentials = \"file:/etc/aws\" beta_allow = { } anthropic_version = bedrock-2023-05-31 }\n"
    "upstream v { kind = vertex google_project = \"a.b:p-1\" google_location = eu\n"
    "credentials = \"bearer:/run/token\" beta_allow = { \"a-*\", b } }\n"
    "upstream n { kind = anthropic auth = sigv4 aws_region = x aws_service = aws-external-anthropic\n"
    "credentials = metadata workspace_id = wrkspc_1 }\n"
    "upstream l { kind = openai url = \"http://127.0.0.1:8000/v1/\" may_drop = { top_k, \"tools.*\" } }\n"
    "workspace w { upstreams = { v, n } }\nworkspace o { }";

static void
test_clouds(struct check *t)
{
	struct buf said = buf_make(CONF_FILE_MAX);
	struct conf *c = parse(clouds, NULL, &said, &said);
	const struct conf_upstream *u;

	check_row(t, "upstreams of clouds");
	check_same(t, buf_span(&said), SPAN(""));
	check_that(t, c != NULL, "refused");
	if (c) {
		u = c->upstreams;
		check_that(t,
		    u[0].credentials == CONF_CREDENTIALS_FILE && u[0].beta_given &&
			u[0].beta_allow.n == 0 && !u[0].owner,
		    "bedrock");
		check_same(t, span_of(u[0].credentials_file), SPAN("/etc/aws"));
		check_same(t, span_of(u[0].aws_profile), SPAN("my own"));
		check_same(t, span_of(u[0].aws_service), SPAN("bedrock"));
		check_same(t, span_of(u[0].anthropic_version), SPAN("bedrock-2023-05-31"));
		check_that(t,
		    u[1].credentials == CONF_CREDENTIALS_BEARER && u[1].beta_given &&
			u[1].beta_allow.n == 2,
		    "vertex");
		check_same(t, span_of(u[1].credentials_file), SPAN("/run/token"));
		check_same(t, span_of(u[1].google_project), SPAN("a.b:p-1"));
		check_same(t, span_of(u[1].owner), SPAN("w"));
		check_that(t,
		    u[2].credentials == CONF_CREDENTIALS_METADATA && !u[2].beta_given &&
			u[2].auth == CONF_AUTH_SIGV4,
		    "anthropic");
		check_same(t, span_of(u[2].workspace_id), SPAN("wrkspc_1"));
		check_same(t, span_of(u[2].owner), SPAN("w"));
		check_same(t, span_of(u[3].url), SPAN("http://127.0.0.1:8000/v1"));
		check_that(t, u[3].may_drop.n == 2 && !u[0].may_drop.n, "openai");
		check_same(t, span_of(u[3].may_drop.v[1]), SPAN("tools.*"));
	}
	conf_free(c);
	buf_free(&said);
}

static void
test_defaults(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c =
	    parse(ECHO "model m { target e { } }\nworkspace w { }", NULL, &errors, &warnings);

	check_row(t, "defaults");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (c) {
		check_same(t, span_of(c->keys), SPAN("/etc/postern/keys"));
		check_same(t, span_of(c->state), SPAN("/var/lib/postern"));
		check_same(t, span_of(c->default_region), SPAN("us"));
		check_that(t,
		    c->max_body == 33554432 && c->commit_ms == 5000 && c->ping_ms == 10000,
		    "numbers");
		check_that(t,
		    c->connect_ms == 10000 && c->first_ms == 600000 && c->idle_ms == 120000,
		    "limits");
		check_that(
		    t, c->drain_ms == 30000 && c->upstreams[0].pace_ms == 0, "drain and pace");
		check_same(t, span_of(c->models[0].targets[0].id), SPAN("m"));
		check_same(t, span_of(c->store.kind), SPAN("local"));
		check_that(t,
		    !c->store.host && !c->store.path && !c->store.away_local &&
			c->store.timeout_ms == 1000 && !c->prices,
		    "store and prices");
		check_that(t,
		    memcmp(conf_quota(c, NULL), &(struct quota){ .rpm = 500, .tpm = 60000 },
			sizeof(struct quota)) == 0,
		    "limits of a workspace without a section");
		check_that(t,
		    memcmp(conf_quota(c, &c->workspaces[0]), conf_quota(c, NULL),
			sizeof(struct quota)) == 0,
		    "limits of a workspace that gives none");
	}
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

static const struct {
	const char *store;
	const char *user, *host, *path;
	unsigned port, db;
	bool tls;
} places[] = {
	{ "redis://h", NULL, "h", NULL, 6379, 0, false },
	{ "redis://h/", NULL, "h", NULL, 6379, 0, false },
	{ "redis://h/7", NULL, "h", NULL, 6379, 7, false },
	{ "redis://127.0.0.1:1/65535", NULL, "127.0.0.1", NULL, 1, 65535, false },
	{ "redis://redis-1.my_net.example:65535", NULL, "redis-1.my_net.example", NULL, 65535, 0,
	    false },
	{ "redis://compass.example", NULL, "compass.example", NULL, 6379, 0, false },
	{ "rediss://web@h:6380/2", "web", "h", NULL, 6380, 2, true },
	{ "rediss://[::1]", NULL, "::1", NULL, 6379, 0, true },
	{ "redis+unix:/run/redis.sock", NULL, NULL, "/run/redis.sock", 0, 0, false },
	{ "redis+unix:/run/redis.sock?db=9", NULL, NULL, "/run/redis.sock", 0, 9, false },
};

static void
test_places(struct check *t)
{
	for (size_t i = 0; i < ROWS(places); i++) {
		struct buf text = buf_make(CONF_FILE_MAX);
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c = NULL;

		check_row(t, "the place of a store: %s", places[i].store);
		if (buf_addf(&text, ECHO "store = \"%s\"\n", places[i].store) == 0 &&
		    buf_str(&text))
			c = parse(text.p, NULL, &said, &said);
		check_that(t, c && said.len == 0, "%.*s", (int)said.len, said.p);
		if (c) {
			check_same(t, span_of(c->store.kind), SPAN("redis"));
			check_same(t, span_of(c->store.user), span_of(places[i].user));
			check_same(t, span_of(c->store.host), span_of(places[i].host));
			check_same(t, span_of(c->store.path), span_of(places[i].path));
			check_that(t,
			    c->store.port == places[i].port && c->store.db == places[i].db &&
				c->store.tls == places[i].tls && c->store.line == 2,
			    "numbers");
		}
		conf_free(c);
		buf_free(&text);
		buf_free(&said);
	}
}

/* A path of the socket at its longest, and one byte more. */
static void
test_longest(struct check *t)
{
	for (int n = 107; n <= 108; n++) {
		struct buf text = buf_make(CONF_FILE_MAX);
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c = NULL;

		check_row(t, "a socket's path of %d bytes", n);
		if (buf_addf(&text, ECHO "store = \"redis+unix:/%0*d\"", n - 1, 0) == 0 &&
		    buf_str(&text))
			c = parse(text.p, NULL, &said, &said);
		check_that(t, (c != NULL) == (n == 107), "%.*s", (int)said.len, said.p);
		conf_free(c);
		buf_free(&text);
		buf_free(&said);
	}
}

/* The list that the text does not name: read when it is there. */
static const struct {
	const char *what, *prices, *text, *said;
	bool found; /* a price for the model `listed` */
} lists[] = {
	{ "none", NULL, ECHO, "", false },
	{ "the built-in one", "/list", ECHO, "", true },
	{ "the built-in one is not there", "/none", ECHO, "", false },
	{ "the built-in one may not be read", "/closed", ECHO,
	    "f: warning: the list of prices \"/closed\" cannot be read: Permission denied\n",
	    false },
	{ "the text's comes before the built-in one", "/closed", ECHO "prices = \"/list\"", "",
	    true },
};

static void
test_lists(struct check *t)
{
	for (size_t i = 0; i < ROWS(lists); i++) {
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c = parse(lists[i].text, lists[i].prices, &said, &said);

		check_row(t, "list of prices: %s", lists[i].what);
		check_same(t, buf_span(&said), span_of(lists[i].said));
		check_that(t,
		    c && (conf_price(c, SPAN("listed"), SPAN("x")) != NULL) == lists[i].found,
		    "a price");
		conf_free(c);
		buf_free(&said);
	}
}

/* Whose price counts. */
static void
test_price(struct check *t)
{
	struct buf said = buf_make(CONF_FILE_MAX);
	struct conf *c =
	    parse(ECHO "model own { target e { id = listed } price = { 9, 9, 9, 9, 9 } }\n"
		       "model listed { target e { } }\nmodel m { target e { id = listed } }",
		"/list", &said, &said);

	check_row(t, "a model's own price, its name's in the list, its name's at the upstream");
	if (check_that(t, c != NULL, "%.*s", (int)said.len, said.p)) {
		const struct price *own = conf_price(c, SPAN("own"), SPAN("listed"));
		const struct price *listed = conf_price(c, SPAN("listed"), SPAN("else"));
		const struct price *there = conf_price(c, SPAN("m"), SPAN("listed"));

		check_that(t, own && own->input == 9000, "its own");
		check_that(
		    t, listed && listed->input == 1000 && listed->cache_read == 5000, "its name's");
		check_that(t, there == listed, "at the upstream");
		check_that(t, !conf_price(c, SPAN("m"), SPAN("else")), "none");
		check_that(t, conf_price(c, SPAN("any"), SPAN("listed")) == listed, "no section");
	}
	conf_free(c);
	buf_free(&said);
}

/* A doubt about very many workspaces must not look like a broken file. */
static void
test_doubts(struct check *t)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct buf said = buf_make(CONF_FILE_MAX);
	bool room = buf_add(&text, SPAN(ECHO "model m { target e { } }\n")) == 0;
	struct conf *c;

	check_row(t, "many workspaces with a budget and a model without a price");
	for (int i = 0; i < 300; i++)
		room = room && buf_addf(&text, "workspace w%d { budget_day = 1 }\n", i) == 0;
	c = room && buf_str(&text) ? parse(text.p, NULL, &said, &said) : NULL;
	check_that(t, c && said.len > 0, "refused");
	conf_free(c);
	buf_free(&text);
	buf_free(&said);
}

/* A value from the environment, and none. */
static void
test_environment(struct check *t)
{
	struct buf errors = buf_make(CONF_FILE_MAX);
	struct buf warnings = buf_make(CONF_FILE_MAX);
	struct conf *c;

	(void)setenv("TEST_CONF_PLACE", "/here", 1);
	(void)unsetenv("TEST_CONF_NOWHERE");
	c = parse(
	    "keys = \"${TEST_CONF_PLACE}/keys\"\nstate = \"${TEST_CONF_NOWHERE:-/there}/x\"\n" ECHO,
	    NULL, &errors, &warnings);
	check_row(t, "variables of the environment");
	check_that(t, c != NULL, "%.*s", (int)errors.len, errors.len ? errors.p : "");
	if (c) {
		check_same(t, span_of(c->keys), SPAN("/here/keys"));
		check_same(t, span_of(c->state), SPAN("/there/x"));
	}
	conf_free(c);
	buf_free(&errors);
	buf_free(&warnings);
}

/* No beginning of a file may end the program, nor may a broken file spoil the next one. */
static void
test_beginnings(struct check *t, const struct guard *g)
{
	char text[sizeof(whole)];

	check_row(t, "every beginning of a file, and a good one after it");
	for (size_t n = 0; n < sizeof(whole); n += 13) {
		struct buf said = buf_make(CONF_FILE_MAX);
		struct conf *c;

		memcpy(text, whole, n);
		text[n] = '\0';
		conf_free(
		    parse(guard_put(g, (struct span){ text, n + 1 }).p, "/list", &said, &said));
		c = parse(ECHO, NULL, &said, &said);
		check_that(t, c != NULL, "broken after %zu bytes", n);
		conf_free(c);
		buf_free(&said);
	}
}

/* Faults beyond the maximum end the reading; the file stays refused. */
static void
test_many(struct check *t)
{
	struct buf text = buf_make(CONF_FILE_MAX);
	struct buf said = buf_make(CONF_FILE_MAX);
	bool room = true;

	check_row(t, "more faults than are shown");
	for (int i = 0; i < 20000; i++)
		room = room && buf_addf(&text, "option%d = 1\n", i) == 0;
	const char *all = buf_str(&text);
	struct conf *c = room && all ? parse(all, NULL, &said, &said) : NULL;
	size_t lines = 0;

	for (size_t i = 0; i < said.len; i++)
		lines += said.p[i] == '\n';
	check_that(t, !c && lines == FINDINGS_MAX + 1, "%zu lines", lines);
	conf_free(c);
	buf_free(&text);
	buf_free(&said);
}

int
main(void)
{
	struct check t = { .module = "conf" };
	struct guard g = guard_make();

	test_rows(&t, &g);
	test_whole(&t);
	test_urls(&t);
	test_clouds(&t);
	test_defaults(&t);
	test_places(&t);
	test_longest(&t);
	test_lists(&t);
	test_price(&t);
	test_doubts(&t);
	test_environment(&t);
	test_beginnings(&t, &g);
	test_many(&t);
	guard_free(&g);
	return check_end(&t);
}
