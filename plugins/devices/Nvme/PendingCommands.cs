using Vmm.Sdk;

namespace Vmm.Plugins.Nvme;

/// <summary>Saved commands that the backend had not finished.</summary>
internal static class PendingCommands
{
    public static void Save(IStateWriter state, IReadOnlyList<(ushort Queue, NvmeCommand Command)> commands)
    {
        for (int i = 0; i < commands.Count; i++)
        {
            var (queue, command) = commands[i];
            state.Section(i + 1, section =>
            {
                Span<byte> entry = stackalloc byte[NvmeCommand.Length];
                command.CopyTo(entry);
                section.UInt16(1, queue);
                section.Bytes(2, entry);
            });
        }
    }

    /// <summary>Reads the commands and takes their places in the queues again.</summary>
    public static void Restore(IStateReader state, uint count, QueueSet queues, List<(ushort Queue, NvmeCommand Command)> commands)
    {
        for (int i = 0; i < count; i++)
        {
            bool found = state.Section(i + 1, section =>
            {
                Span<byte> entry = stackalloc byte[NvmeCommand.Length];
                ushort id = section.UInt16(1);
                if (!section.Bytes(2, entry) || id == 0 || queues.FindSubmission(id) is not { Completions.HasRoom: true } queue)
                {
                    throw new StateException($"A saved command belongs to queue {id}, which has no place for it.");
                }

                queue.Completions.Reserved++;
                queue.Outstanding++;
                commands.Add((id, NvmeCommand.From(entry)));
            });
            if (!found)
            {
                throw new StateException($"Only {i} of {count} saved commands are there.");
            }
        }

        // The admin command that waits for a queue to be deleted keeps its place too.
        if (queues.FindSubmission(0) is { } admin)
        {
            foreach (var queue in queues.Submission)
            {
                if (queue is not { DeletedBy: not null })
                {
                    continue;
                }

                if (queue.Outstanding == 0 || !admin.Completions.HasRoom)
                {
                    throw new StateException($"Queue {queue.Id} waits for its deletion without a reason.");
                }

                admin.Completions.Reserved++;
                admin.Outstanding++;
            }
        }
    }
}
