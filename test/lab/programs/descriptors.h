/* For programs that hold very many connections. */
#include <signal.h>
#include <sys/resource.h>

static void take_all_descriptors(void)
{
	struct rlimit files;
	signal(SIGPIPE, SIG_IGN);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}
