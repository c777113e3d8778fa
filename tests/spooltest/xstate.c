/* Preloaded into user-mode-linux, whose buffer for a process's floating point registers is smaller than the one that
 * processors with AMX have. Linux refuses such a short PTRACE_SETREGSET (EFAULT), and the guest dies at its first
 * process. Here the rest is taken from the process itself, which has never used it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

static long (*real)(int, ...);
/* Static: the guest's kernel stacks are small, and it has one processor. */
static char whole[65536] __attribute__((aligned(64)));

__attribute__((constructor)) static void find_real(void)
{
	real = (long (*)(int, ...))dlsym(RTLD_NEXT, "ptrace");
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	long pid = va_arg(arguments, long);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	long done = real((int)request, pid, address, data);
	if (done == 0 || request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE)
		return done;
	struct iovec part = *(struct iovec *)data, all = {whole, sizeof whole};
	if (real(PTRACE_GETREGSET, pid, address, &all) != 0 || part.iov_len > all.iov_len)
		return done;
	memcpy(whole, part.iov_base, part.iov_len);
	return real(PTRACE_SETREGSET, pid, address, &all);
}
