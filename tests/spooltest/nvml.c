/* A libnvidia-ml.so.1 that tells what a text file says, so that nvidia-ml-py runs where there is no GPU and no driver.
 *
 *   cc -shared -fPIC -o libnvidia-ml.so.1 nvml.c
 *   LD_LIBRARY_PATH=. PRETEND_GPUS=gpus.txt python …
 *
 * The file is read at every call; a device a line, words NAME=VALUE, sizes in MiB, `?` for what the driver withholds:
 *
 *   gpu uuid=GPU-a total=81920 used=1000 busy=3 on=4242:900,77:?
 *   mig uuid=MIG-a total=10000 used=0          an instance of the card above
 *   gpu error=15                               every question about this one is answered with that error
 *   init error=9                               nvmlInit fails
 *   init hang=1                                nvmlInit never returns
 *   count error=999                            the number of devices is refused
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID = 2, UNSUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7, NOT_LOADED = 9, UNKNOWN = 999 };
enum { MOST = 32, PROCESSES = 8 };
#define WITHHELD (~0ULL)

struct device {
    char uuid[96], name[64];
    unsigned long long total, used, held[PROCESSES];
    unsigned busy, count, pid[PROCESSES];
    int error, parent; /* parent: the place of a MIG instance's card, -1 for a card */
};

static struct device devices[MOST];
static int present, init_error, init_hangs, count_error;

static unsigned long long number(const char *text) { return *text == '?' ? WITHHELD : strtoull(text, NULL, 10); }

static void set(struct device *one, const char *name, char *value) {
    if (!strcmp(name, "uuid")) snprintf(one->uuid, sizeof one->uuid, "%s", value);
    else if (!strcmp(name, "name")) snprintf(one->name, sizeof one->name, "%s", value);
    else if (!strcmp(name, "total")) one->total = number(value);
    else if (!strcmp(name, "used")) one->used = number(value);
    else if (!strcmp(name, "busy")) one->busy = *value == '?' ? 0xFFFFu : (unsigned)atoi(value);
    else if (!strcmp(name, "error")) one->error = atoi(value);
    else if (!strcmp(name, "on")) {
        char *rest = value, *entry;
        while ((entry = strsep(&rest, ",")) && one->count < PROCESSES) {
            char *held = strchr(entry, ':');
            if (!held) continue;
            one->pid[one->count] = (unsigned)atoi(entry);
            one->held[one->count++] = number(held + 1);
        }
    }
}

static int load(void) {
    const char *path = getenv("PRETEND_GPUS");
    FILE *file = path ? fopen(path, "r") : NULL;
    char line[1024];
    int card = -1;
    present = init_error = init_hangs = count_error = 0;
    if (!file) return NOT_LOADED;
    while (present < MOST && fgets(line, sizeof line, file)) {
        char *rest = line, *kind = strsep(&rest, " \n"), *word;
        struct device *one = &devices[present], other;
        int is_device = !strcmp(kind, "gpu") || !strcmp(kind, "mig");
        if (!is_device) one = &other;
        memset(one, 0, sizeof *one);
        snprintf(one->name, sizeof one->name, "Pretend");
        while (rest && (word = strsep(&rest, " \n"))) {
            char *value = strchr(word, '=');
            if (!value) continue;
            *value++ = 0;
            if (!strcmp(kind, "init") && !strcmp(word, "hang")) init_hangs = 1;
            else set(one, word, value);
        }
        if (!strcmp(kind, "init")) init_error = one->error;
        if (!strcmp(kind, "count")) count_error = one->error;
        if (!is_device) continue;
        one->parent = !strcmp(kind, "mig") ? card : -1;
        if (one->parent < 0) card = present;
        present++;
    }
    fclose(file);
    return OK;
}

static void *handle_of(int place) { return (void *)(size_t)(place + 1); }

static struct device *at(void *handle, int *code) {
    int place = (int)(size_t)handle - 1;
    *code = load();
    if (*code == OK && (place < 0 || place >= present)) *code = INVALID;
    if (*code == OK) *code = devices[place].error;
    return *code == OK ? &devices[place] : NULL;
}

static int instances(int card) {
    int found = 0;
    for (int place = 0; place < present; place++) found += devices[place].parent == card;
    return found;
}

int nvmlInitWithFlags(unsigned flags) {
    int code = load();
    (void)flags;
    while (init_hangs) pause();
    return code ? code : init_error;
}
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) {
    return code == 15 ? "GPU is lost" : code == NOT_LOADED ? "Driver Not Loaded" : "Pretend Error";
}
int nvmlDeviceGetCount_v2(unsigned *count) {
    int code = load();
    *count = 0;
    for (int place = 0; place < present; place++) *count += devices[place].parent < 0;
    return code ? code : count_error;
}
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    int code = load();
    if (code) return code;
    for (int place = 0; place < present; place++)
        if (devices[place].parent < 0 && index-- == 0) { *handle = handle_of(place); return devices[place].error; }
    return INVALID;
}
int nvmlDeviceGetUUID(void *handle, char *text, unsigned room) {
    int code;
    struct device *one = at(handle, &code);
    if (one) snprintf(text, room, "%s", one->uuid);
    return code;
}
int nvmlDeviceGetName(void *handle, char *text, unsigned room) {
    int code;
    struct device *one = at(handle, &code);
    if (one) snprintf(text, room, "%s", one->name);
    return code;
}
int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *memory) { /* total, free, used, in bytes */
    int code;
    struct device *one = at(handle, &code);
    if (!one) return code;
    if (one->total == WITHHELD || one->used == WITHHELD) return UNSUPPORTED;
    memory[0] = one->total << 20;
    memory[1] = (one->total - one->used) << 20;
    memory[2] = one->used << 20;
    return OK;
}
int nvmlDeviceGetUtilizationRates(void *handle, unsigned *rates) {
    int code;
    struct device *one = at(handle, &code);
    if (!one) return code;
    if (one->busy == 0xFFFFu || one->parent >= 0) return UNSUPPORTED;
    rates[0] = one->busy;
    rates[1] = 0;
    return OK;
}
struct process { unsigned pid; unsigned long long held; unsigned instance, compute; };
int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, struct process *found) {
    int code;
    unsigned room = *count;
    struct device *one = at(handle, &code);
    if (!one) return code;
    *count = one->count;
    if (room < one->count) return TOO_SMALL; /* asked again with room enough */
    for (unsigned i = 0; i < one->count; i++) {
        found[i].pid = one->pid[i];
        found[i].held = one->held[i] == WITHHELD ? WITHHELD : one->held[i] << 20;
        found[i].instance = found[i].compute = ~0u;
    }
    return OK;
}
int nvmlDeviceGetMigMode(void *handle, unsigned *current, unsigned *pending) {
    int code;
    struct device *one = at(handle, &code);
    if (!one) return code;
    if (!instances((int)(one - devices))) return UNSUPPORTED;
    *current = *pending = 1;
    return OK;
}
int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned *count) { (void)handle; *count = 7; return OK; }
int nvmlDeviceGetMigDeviceHandleByIndex(void *card, unsigned index, void **handle) {
    int code = load(), place;
    for (place = 0; code == OK && place < present; place++)
        if (devices[place].parent == (int)(size_t)card - 1 && index-- == 0) { *handle = handle_of(place); return OK; }
    return code ? code : NOT_FOUND;
}
