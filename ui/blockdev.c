/* Raw disk images. See blockdev.h. */
#include "ui/blockdev.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fs.h>

struct raw_image {
    struct host_block host; /* first: the device sees only this */
    int fd;
    char *path;
};

static bool report(const struct raw_image *image, const char *what)
{
    fprintf(stderr, "morph86: %s of '%s' failed: %s\n", what, image->path, strerror(errno));
    return false;
}

static bool raw_read(struct host_block *self, uint64_t sector, void *buffer, uint32_t n_sectors)
{
    struct raw_image *image = (struct raw_image *)self;
    size_t left = (size_t)n_sectors * HOST_BLOCK_SECTOR;
    off_t at = (off_t)(sector * HOST_BLOCK_SECTOR);
    uint8_t *to = buffer;

    while (left) {
        ssize_t n = pread(image->fd, to, left, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return report(image, "a read");
        if (n == 0) { /* the file became shorter: what is missing reads as zeros */
            memset(to, 0, left);
            return true;
        }
        to += n;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static bool raw_write(struct host_block *self, uint64_t sector, const void *buffer, uint32_t n_sectors)
{
    struct raw_image *image = (struct raw_image *)self;
    size_t left = (size_t)n_sectors * HOST_BLOCK_SECTOR;
    off_t at = (off_t)(sector * HOST_BLOCK_SECTOR);
    const uint8_t *from = buffer;

    while (left) {
        ssize_t n = pwrite(image->fd, from, left, at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return report(image, "a write");
        from += n;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static bool raw_flush(struct host_block *self)
{
    struct raw_image *image = (struct raw_image *)self;

    return fdatasync(image->fd) == 0 || report(image, "a flush");
}

static void raw_destroy(struct host_block *self)
{
    struct raw_image *image = (struct raw_image *)self;

    close(image->fd);
    free(image->path);
    free(image);
}

static bool size_of(int fd, uint64_t *bytes)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    if (S_ISBLK(st.st_mode))
        return ioctl(fd, BLKGETSIZE64, bytes) == 0;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL;
        return false;
    }
    *bytes = (uint64_t)st.st_size;
    return true;
}

struct host_block *blockdev_open_raw(const char *path, bool readonly, char *error, size_t error_size)
{
    struct raw_image *image;
    uint64_t bytes;
    int fd = open(path, (readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);

    if (fd < 0) {
        snprintf(error, error_size, "cannot open '%s': %s; check the name and the rights", path, strerror(errno));
        return NULL;
    }
    if (!size_of(fd, &bytes) || bytes < HOST_BLOCK_SECTOR) {
        snprintf(error, error_size,
                 "'%s' is not a disk image of at least one sector (512 bytes); make one with 'truncate -s 1G FILE'",
                 path);
        close(fd);
        return NULL;
    }
    if (flock(fd, (readonly ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
        snprintf(error, error_size, "'%s' is in use by another machine; stop that one or copy the image", path);
        close(fd);
        return NULL;
    }
    image = calloc(1, sizeof *image);
    if (!image || !(image->path = strdup(path))) {
        snprintf(error, error_size, "out of memory");
        free(image);
        close(fd);
        return NULL;
    }
    image->fd = fd;
    image->host = (struct host_block){.n_sectors = bytes / HOST_BLOCK_SECTOR,
                                      .is_readonly = readonly,
                                      .read = raw_read,
                                      .write = raw_write,
                                      .flush = raw_flush,
                                      .destroy = raw_destroy};
    return &image->host;
}
