/*
 * Call methods of the real npm packages sdc-clients and imgmanifest, one after the other, as told on stdin:
 *     [{"client": "SAPI", "url": "http://...", "method": "listServices", "args": [{"name": "imgapi"}]}, ...]
 * and print what each gave: [{"error": {"code", "status", "message"} or null, "result": ...}, ...].
 * The folder of the packages is the first argument. Written for the interpreter of their age (node 6).
 */
'use strict';

var packages = process.argv[2];
var sdcClients = require(packages + '/sdc-clients');
var imgmanifest = require(packages + '/imgmanifest');
var log = require(packages + '/bunyan').createLogger({name: 'drive', level: 'fatal', stream: process.stderr});

function plain(value) {
    try {
        return JSON.parse(JSON.stringify(value === undefined ? null : value));
    } catch (err) {
        return null;    // a response object that refers to itself
    }
}

function told(err) {
    return err ? {code: err.restCode || err.code || err.name, status: err.statusCode, message: err.message} : null;
}

function one(step, next) {
    if (step.client === 'imgmanifest') {
        try {
            next({error: null, result: imgmanifest[step.method].apply(null, step.args) || null});
        } catch (err) {
            next({error: told(err), result: null});
        }
        return;
    }
    var client = new sdcClients[step.client]({url: step.url, log: log, agent: false, version: step.version || '*'});
    client[step.method].apply(client, step.args.concat(function (err, result) {
        if (client.close) {
            client.close();
        }
        next({error: told(err), result: plain(result)});
    }));
}

function all(steps, answers) {
    if (steps.length === 0) {
        process.stdout.write(JSON.stringify(answers), function () { process.exit(0); });
        return;
    }
    one(steps[0], function (answer) {
        setImmediate(all, steps.slice(1), answers.concat([answer]));
    });
}

var text = '';
process.stdin.setEncoding('utf8');
process.stdin.on('data', function (piece) { text += piece; });
process.stdin.on('end', function () { all(JSON.parse(text), []); });
