/* SPDX-License-Identifier: MIT */
#ifndef FCVM_VERSION_H
#define FCVM_VERSION_H

#define FCVM_VERSION "0.1.0"

#endif
