// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* service.c - a service's name out of its root's unit, command line and executable. */
#include "origin/service.h"

#include <stdio.h>
#include <string.h>

struct text {
	const char *p;
	size_t n;
};

enum interpreter_kind { LANG_PYTHON, LANG_NODE, LANG_JAVA, LANG_SHELL, LANG_OTHER };

struct interpreter {
	const char *name; /* without a version: python3.11 is python */
	enum interpreter_kind kind;
	const char *with_value; /* options that take the next argument, between spaces */
};
static const struct interpreter interpreters[] = {
	{ "python", LANG_PYTHON, " -W -X --check-hash-based-pycs " },
	{ "pypy", LANG_PYTHON, " -W -X --jit " },
	{ "node", LANG_NODE,
	  " -r --require --import --loader --experimental-loader -C --conditions " },
	{ "nodejs", LANG_NODE, " -r --require --import --loader --experimental-loader -C " },
	{ "bun", LANG_NODE, " -r --preload " },
	{ "java", LANG_JAVA,
	  " -cp -classpath --class-path -p --module-path --add-modules --add-opens "
	  "--add-exports --add-reads " },
	{ "sh", LANG_SHELL, " -o " },
	{ "bash", LANG_SHELL, " -o -O --rcfile --init-file " },
	{ "dash", LANG_SHELL, " -o " },
	{ "ash", LANG_SHELL, " -o " },
	{ "zsh", LANG_SHELL, " -o " },
	{ "ruby", LANG_OTHER, " -I -r -C " },
	{ "perl", LANG_OTHER, " " },
	{ "php", LANG_OTHER, " -c -d " },
};

/* Programs that only start another one. */
static const char *const wrappers[] = {
	"sudo",   "su",   "timeout",   "env",       "nice",    "ionice",  "nohup",       "setsid",
	"stdbuf", "tini", "dumb-init", "catatonit", "setpriv", "numactl", "taskset",     "runuser",
	"gosu",   "doas", "xargs",     "strace",    "unshare", "chroot",  "systemd-run",
};

/* Programs that are named after what they serve. */
enum launch_kind {
	LAUNCH_APP, /* module:attribute */
	LAUNCH_MODEL, /* a model: NAME:MODEL */
};
struct launcher {
	const char *name; /* program, or first component of the module given to python -m */
	enum launch_kind kind;
	const char *sub; /* subcommand after which the model may stand, or NULL */
	const char *option[3]; /* options that name the model */
};
static const struct launcher launchers[] = {
	{ "uvicorn", LAUNCH_APP, NULL, { NULL } },
	{ "gunicorn", LAUNCH_APP, NULL, { NULL } },
	{ "hypercorn", LAUNCH_APP, NULL, { NULL } },
	{ "daphne", LAUNCH_APP, NULL, { NULL } },
	{ "granian", LAUNCH_APP, NULL, { NULL } },
	{ "waitress-serve", LAUNCH_APP, NULL, { NULL } },
	{ "uwsgi", LAUNCH_APP, NULL, { NULL } },
	{ "vllm", LAUNCH_MODEL, "serve", { "--model" } },
	{ "sglang", LAUNCH_MODEL, "serve", { "--model-path", "--model" } },
	{ "llama-server", LAUNCH_MODEL, NULL, { "-m", "--model", "-hf" } },
	{ "text-generation-launcher", LAUNCH_MODEL, NULL, { "--model-id" } },
	{ "tensorflow_model_server", LAUNCH_MODEL, NULL, { "--model_name" } },
	{ "bentoml", LAUNCH_MODEL, "serve", { NULL } },
};

static struct text text_of(const char *s)
{
	return (struct text){ s, s ? strlen(s) : 0 };
}

static struct text base_name(struct text t)
{
	static const char deleted[] = " (deleted)";
	const size_t dn = sizeof(deleted) - 1;
	const char *slash;

	if (t.n > dn && !memcmp(t.p + t.n - dn, deleted, dn))
		t.n -= dn;
	while (t.n > 1 && t.p[t.n - 1] == '/')
		t.n--;
	slash = t.n ? memrchr(t.p, '/', t.n - 1) : NULL;
	if (slash) {
		t.n -= (size_t)(slash + 1 - t.p);
		t.p = slash + 1;
	}
	return t;
}

static bool is(struct text t, const char *s)
{
	return t.n == strlen(s) && !memcmp(t.p, s, t.n);
}

static bool ends(struct text t, const char *s)
{
	const size_t n = strlen(s);

	return t.n > n && !memcmp(t.p + t.n - n, s, n);
}

static struct text strip(struct text t, const char *const *suffix)
{
	for (; *suffix; suffix++)
		if (ends(t, *suffix)) {
			t.n -= strlen(*suffix);
			break;
		}
	return t;
}

static void put(char out[SERVICE_NAME_MAX], struct text t)
{
	const size_t n = t.n < SERVICE_NAME_MAX ? t.n : SERVICE_NAME_MAX - 1;

	memcpy(out, t.p, n);
	out[n] = '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_name(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* python3.11 -> python, but not an interpreter's name inside another word. */
static const struct interpreter *find_interpreter(struct text program)
{
	while (program.n && (is_digit(program.p[program.n - 1]) || program.p[program.n - 1] == '.'))
		program.n--;
	for (size_t i = 0; i < sizeof(interpreters) / sizeof(interpreters[0]); i++)
		if (is(program, interpreters[i].name))
			return &interpreters[i];
	return NULL;
}

static const struct launcher *find_launcher(struct text program)
{
	for (size_t i = 0; i < sizeof(launchers) / sizeof(launchers[0]); i++)
		if (is(program, launchers[i].name))
			return &launchers[i];
	return NULL;
}

static bool is_wrapper(struct text program)
{
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		if (is(program, wrappers[i]))
			return true;
	return false;
}

/* pkg.module:app, also a factory's app(); never host:port, a path or a URL. */
static bool is_app_ref(struct text t, struct text *ref)
{
	const char *colon = memchr(t.p, ':', t.n);
	const char *end = t.p + t.n, *p;

	if (!colon || colon == t.p || is_digit(t.p[0]))
		return false;
	for (p = t.p; p < colon; p++)
		if (!is_name(*p) && *p != '.')
			return false;
	p = colon + 1;
	if (p == end || is_digit(*p))
		return false;
	while (p < end && (is_name(*p) || *p == '.'))
		p++;
	if (p < end && *p != '(')
		return false;
	*ref = (struct text){ t.p, (size_t)(p - t.p) };
	return true;
}

/* A path to a model is named by its last part; owner/model stays. */
static struct text model_name(struct text t)
{
	return t.n && (t.p[0] == '/' || t.p[0] == '.') ? base_name(t) : t;
}

static bool find_model(const struct launcher *l, const char *const *arg, size_t n,
		       struct text *model)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < 3 && l->option[k]; k++) {
			const size_t len = strlen(l->option[k]);

			if (strncmp(arg[i], l->option[k], len))
				continue;
			if (arg[i][len] == '=')
				*model = text_of(arg[i] + len + 1);
			else if (!arg[i][len] && i + 1 < n)
				*model = text_of(arg[i + 1]);
			else
				continue;
			return model->n;
		}
	for (size_t i = 0; l->sub && i + 1 < n; i++)
		if (!strcmp(arg[i], l->sub)) {
			*model = text_of(arg[i + 1]);
			return model->n && model->p[0] != '-';
		}
	return false;
}

/* arg: what follows the launcher's own name. */
static void launch_name(const struct launcher *l, const char *const *arg, size_t n,
			char out[SERVICE_NAME_MAX])
{
	struct text t;

	if (l->kind == LAUNCH_MODEL) {
		if (!find_model(l, arg, n, &t)) {
			put(out, text_of(l->name));
			return;
		}
		t = model_name(t);
		snprintf(out, SERVICE_NAME_MAX, "%s:%.*s", l->name, (int)t.n, t.p);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (is_app_ref(text_of(arg[i]), &t)) {
			put(out, t);
			return;
		}
	/* gunicorn also takes a bare module; it then is the last word. */
	if (n && arg[n - 1][0] != '-' && (n == 1 || arg[n - 2][0] != '-') &&
	    is_name(arg[n - 1][0]) && !is_digit(arg[n - 1][0]))
		put(out, text_of(arg[n - 1]));
	else
		put(out, text_of(l->name));
}

static void script_name(const char *const *arg, size_t n, char out[SERVICE_NAME_MAX])
{
	static const char *const suffix[] = { ".py", ".pyc", ".pyz", ".mjs", ".cjs", ".js",
					      ".ts", ".sh",  ".rb",  ".pl",  ".php", NULL };
	struct text path = text_of(arg[0]), t = strip(base_name(path), suffix);
	const struct launcher *l = find_launcher(t);

	if (l) {
		launch_name(l, arg + 1, n - 1, out);
		return;
	}
	/* A package run by its path: the package is the name. */
	if (is(t, "__main__") && path.n > t.n) {
		path.n = (size_t)(t.p - path.p);
		t = base_name(path);
	}
	put(out, t);
}

static void module_name(const char *const *arg, size_t n, char out[SERVICE_NAME_MAX])
{
	struct text t = text_of(arg[0]), first = t;
	const char *dot = memchr(t.p, '.', t.n);
	const struct launcher *l;

	if (dot)
		first.n = (size_t)(dot - t.p);
	l = find_launcher(first);
	/* uvicorn.workers is no launcher, vllm.entrypoints.openai.api_server is. */
	if (l && (!dot || l->kind == LAUNCH_MODEL))
		launch_name(l, arg + 1, n - 1, out);
	else
		put(out, t);
}

static bool takes_value(const struct interpreter *in, const char *arg)
{
	const char *at = strstr(in->with_value, arg);
	const size_t n = strlen(arg);

	return n && at && at > in->with_value && at[-1] == ' ' && at[n] == ' ';
}

static void java_name(const char *name, bool jar, char out[SERVICE_NAME_MAX])
{
	static const char *const suffix[] = { ".jar", ".war", NULL };
	struct text t = text_of(name);
	const char *dot;

	if (jar) {
		put(out, strip(base_name(t), suffix));
		return;
	}
	dot = memrchr(t.p, '.', t.n);
	if (dot && dot + 1 < t.p + t.n) {
		t.n -= (size_t)(dot + 1 - t.p);
		t.p = dot + 1;
	}
	put(out, t);
}

/* What an interpreter runs. false: nothing that has a name (a shell's -c, standard input). */
static bool interpreted_name(const struct interpreter *in, const char *const *argv, size_t argc,
			     char out[SERVICE_NAME_MAX])
{
	for (size_t i = 1; i < argc; i++) {
		const char *a = argv[i];
		const size_t n = strlen(a), left = argc - i;

		if (a[0] != '-' || !a[1]) {
			if (!a[0] || a[0] == '-')
				return false;
			if (in->kind == LANG_JAVA)
				java_name(a, false, out);
			else
				script_name(argv + i, left, out);
			return true;
		}
		if (in->kind == LANG_JAVA && !strcmp(a, "-jar") && left > 1) {
			java_name(argv[i + 1], true, out);
			return true;
		}
		/* Short options may be run together: python -um module, sh -ec "...". */
		if (in->kind == LANG_PYTHON && a[1] != '-' && a[n - 1] == 'm' && left > 1) {
			module_name(argv + i + 1, left - 1, out);
			return true;
		}
		if ((in->kind == LANG_PYTHON || in->kind == LANG_SHELL) && a[1] != '-' &&
		    a[n - 1] == 'c')
			return false;
		if (in->kind == LANG_NODE && (!strcmp(a, "-e") || !strcmp(a, "-p")))
			return false;
		if (takes_value(in, a))
			i++;
	}
	return false;
}

/*
 * Programs that write their own title: "gunicorn: master [app:app]", "nginx: master process …",
 * "VLLM::EngineCore".
 */
static bool title_name(const char *title, char out[SERVICE_NAME_MAX])
{
	struct text t = text_of(title), name, ref;
	const char *colon = memchr(t.p, ':', t.n), *open, *close;
	size_t after;

	if (!colon || colon == t.p)
		return false;
	name = (struct text){ t.p, (size_t)(colon - t.p) };
	for (size_t i = 0; i < name.n; i++)
		if (!is_name(name.p[i]) && name.p[i] != '-' && name.p[i] != '.')
			return false;
	after = name.n + 1;
	if (after >= t.n || (t.p[after] != ' ' && t.p[after] != ':'))
		return false;
	open = memchr(t.p + after, '[', t.n - after);
	close = open ? memrchr(open, ']', (size_t)(t.p + t.n - open)) : NULL;
	if (find_launcher(name) && close && close > open + 1) {
		ref = (struct text){ open + 1, (size_t)(close - open - 1) };
		put(out, ref);
		return true;
	}
	put(out, name);
	if (t.p[after] == ':')
		for (char *p = out; *p; p++)
			if (*p >= 'A' && *p <= 'Z')
				*p = (char)(*p + 'a' - 'A');
	return true;
}

bool service_derive(const struct service_facts *f, char out[SERVICE_NAME_MAX])
{
	const struct interpreter *in;
	const struct launcher *l;
	struct text program;

	if (f->unit && f->unit[0]) {
		put(out, text_of(f->unit));
		return true;
	}
	if (f->argc && title_name(f->argv[0], out))
		return true;
	/* The path of the file decides; a login shell's argv[0] is "-bash". */
	program = base_name(text_of(f->exe && f->exe[0]        ? f->exe
				    : f->argc && f->argv[0][0] ? f->argv[0]
				    : f->comm && f->comm[0]    ? f->comm
							       : "unknown"));
	in = find_interpreter(program);
	if (in) {
		if (interpreted_name(in, f->argv, f->argc, out))
			return true;
		put(out, program);
		return in->kind != LANG_SHELL;
	}
	l = find_launcher(program);
	if (l && f->argc) {
		launch_name(l, f->argv + 1, f->argc - 1, out);
		return true;
	}
	put(out, program);
	return !is_wrapper(program);
}
